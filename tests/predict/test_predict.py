"""Answers from a folder and from a server, and what becomes of pictures that cannot be read."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRefused
from components.predict.asking import BATCH_SIZE, Answer, Prediction, Refused, from_rest, predict
from components.predict.rest import connect
from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.versions import push
from pipeline.cli.main import main

BRIGHT, DARK = Answer("bright", (0.1, 0.9)), Answer("dark", (0.9, 0.1))


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(out, "PNG")
    return out.getvalue()


def ask_about_bytes(images: Sequence[bytes]) -> list[Answer]:
    """A model of one line; it takes no batch with an unreadable picture, as the served graph does."""
    if b"broken" in images:
        raise Refused("Unknown image file format.")
    return [BRIGHT if image == b"bright" else DARK for image in images]


@pytest.mark.parametrize(
    "server", ["http://ann:it's c4n4ry@127.0.0.1:9", "ann:c4n4ry@127.0.0.1:9", "http://h?token=c4n4ry"]
)
def test_a_password_in_a_servers_address_is_refused_and_not_shown(server, tmp_path, monkeypatch, capfd):
    (tmp_path / "1.png").write_bytes(png(1))
    monkeypatch.setattr("sys.argv", ["frostgate", "predict", str(tmp_path / "1.png"), "--server", server])
    with pytest.raises(SystemExit) as ended:
        main()
    said = "".join(capfd.readouterr())
    assert ended.value.code == 2 and "--server must hold no password" in said and "c4n4ry" not in said


def test_a_version_that_changed_since_it_was_pushed_is_not_asked(tmp_path, monkeypatch, capfd):
    (tmp_path / "1.png").write_bytes(png(1))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"weights")
    served = push(tmp_path / "model", str(tmp_path / "models"), directory_fingerprint(str(tmp_path / "model"))).path
    (served / "saved_model.pb").write_bytes(b"weight5")
    for words in (["--set", f"push.destination={tmp_path}/models"], ["--model", str(served)]):
        monkeypatch.setattr("sys.argv", ["frostgate", "predict", str(tmp_path / "1.png"), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr().err
        assert ended.value.code == 2 and said.count("\n") == 1
        assert f"{served}/saved_model.pb: changed since it was pushed, so this is not the model that was judged" in said


def test_every_picture_gets_its_own_answer_in_order():
    pictures = [(str(number), b"bright" if number % 3 else b"dark") for number in range(2 * BATCH_SIZE + 5)]
    found = list(predict(pictures, ask_about_bytes))
    assert found == [Prediction(uri, BRIGHT if image == b"bright" else DARK) for uri, image in pictures]


def test_a_picture_that_cannot_be_read_costs_the_others_nothing():
    pictures = [("a", b"bright"), ("b", b"broken"), ("c", b"dark")]
    assert list(predict(pictures, ask_about_bytes)) == [
        Prediction("a", BRIGHT),
        Prediction("b", None, "Unknown image file format."),
        Prediction("c", DARK),
    ]


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"{}", b'{"predictions": [{"class_name": "cat"}]}', b'{"predictions": []}', b'{"predictions": [1]}'],
)
def test_an_answer_of_another_kind_is_refused(body):
    with pytest.raises(DataRefused, match=r"expected .*predictions"):
        from_rest(body, 1)


class Server(ThreadingHTTPServer):
    """Speaks TensorFlow Serving's row format, with `ask_about_bytes` behind it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, document))
        if self.path != "/v1/models/digits:predict":
            return self._send(404, {"error": "Servable not found for request: Latest(cats)"})
        images = [base64.b64decode(row["image_bytes"]["b64"]) for row in document["instances"]]
        try:
            answers = ask_about_bytes(images)
        except Refused as reason:
            return self._send(400, {"error": f"{reason}\n\t [[{{{{node decode}}}}]]"})
        rows = [{"class_name": one.class_name, "probabilities": one.probabilities} for one in answers]
        return self._send(200, {"predictions": rows})

    def _send(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def test_a_server_is_asked_in_its_own_format(server):
    found = list(predict([("a", b"bright"), ("b", b"dark")], connect(server.address, "digits")))
    assert found == [Prediction("a", BRIGHT), Prediction("b", DARK)]
    ((path, document),) = server.requests
    assert path == "/v1/models/digits:predict"
    assert document == {
        "signature_name": "serving_default",
        "instances": [{"image_bytes": {"b64": base64.b64encode(image).decode()}} for image in (b"bright", b"dark")],
    }


def test_a_server_refuses_single_pictures_too(server):
    found = list(predict([("a", b"bright"), ("b", b"broken")], connect(server.address, "digits")))
    assert found[0] == Prediction("a", BRIGHT)
    assert found[1].answer is None and found[1].error.startswith("Unknown image file format.")


@pytest.mark.parametrize(
    ("address", "model", "sentence"),
    [
        (None, "cats", r"answered 404: Servable not found .*Is it served under the name cats\?"),
        ("http://127.0.0.1:9", "digits", "cannot be reached .*; is it running"),
        ("localhost:8501", "digits", "begins with http:// or https://; received localhost:8501"),
    ],
)
def test_a_server_that_cannot_answer_is_a_sentence(server, address, model, sentence):
    with pytest.raises(DataRefused, match=sentence):
        connect(address or server.address, model)([b"bright"])


@pytest.fixture(scope="session")
def version_dir(tmp_path_factory) -> Path:
    """A SavedModel with the served signature, as the second of two pushed versions."""
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve(image_bytes):
        means = tf.map_fn(
            lambda one: tf.reduce_mean(tf.cast(tf.io.decode_png(one), tf.float32)) / 255.0,
            image_bytes,
            fn_output_signature=tf.float32,
        )
        names = tf.constant(["dark", "bright"])
        return {
            "class_name": tf.gather(names, tf.cast(means > 0.5, tf.int32)),
            "probabilities": tf.stack([1 - means, means], axis=1),
        }

    root = tmp_path_factory.mktemp("out") / "digits" / "models"
    tf.saved_model.save(module, str(root / "2"), signatures={"serving_default": serve})
    (root / "1").mkdir()
    return root / "2"


@pytest.fixture
def say(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["frostgate", "predict", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return int(code if isinstance(code, int | str) else 0), said.out, said.err

    return run


@pytest.mark.tfx
def test_the_newest_pushed_version_answers(say, version_dir, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png(250))
    (tmp_path / "b.png").write_bytes(png(10))
    output = f"output={version_dir.parents[2]}"
    code, out, err = say(str(tmp_path / "pictures"), str(tmp_path / "b.png"), "--set", output)
    assert (code, err) == (0, "")
    assert out == f"{tmp_path}/pictures/a.png  bright  0.980\n{tmp_path}/b.png  dark  0.961\n"
    code, out, _ = say(str(tmp_path / "b.png"), "--model", str(version_dir), "--json")
    (found,) = json.loads(out)
    assert code == 0 and found["answer"]["class_name"] == "dark"
    assert found["answer"]["probabilities"] == pytest.approx([0.961, 0.039], abs=1e-3)


@pytest.mark.tfx
def test_a_file_that_is_no_picture_is_named_and_the_rest_is_answered(say, version_dir, tmp_path):
    (tmp_path / "a.png").write_bytes(png(250))
    (tmp_path / "b.png").write_text("no picture")
    code, out, err = say(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--model", str(version_dir))
    assert code == 2 and out == f"{tmp_path}/a.png  bright  0.980\n"
    assert err.startswith(f"frostgate: {tmp_path}/b.png has no answer: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.png"], "nowhere.png must be a picture or a folder of pictures"),
        (["picture.png", "--model", "."], "must be a served version's folder; it holds no saved_model.pb"),
        (["picture.png", "--set", "output=elsewhere"], "Nothing was pushed to"),
        (["picture.png", "--model", ".", "--server", "http://x"], "give one of them"),
        (["empty"], "empty holds no file"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(say, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picture.png").write_bytes(png(1))
    (tmp_path / "empty").mkdir()
    code, _, err = say(*words)
    assert code == 2 and err.count("\n") == 1 and sentence in err


@pytest.mark.tfx
def test_what_was_asked_can_be_kept_for_monitoring(say, version_dir, tmp_path):
    from components.push_gate.fingerprint import weights_fingerprint
    from components.serving_log.days import files_of, window
    from components.serving_log.reading import records
    from schemas import features

    (tmp_path / "a.png").write_bytes(png(250))
    (tmp_path / "b.png").write_text("no picture")
    log = tmp_path / "log"
    words = [str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--model", str(version_dir), "--log"]
    code, _, err = say(*words, "--set", f"serving_log.uri={log}")
    assert f"frostgate: 1 of 1 requests are kept in {log}." in err
    (stamp,) = files_of(str(log), window("", 1))[1]
    (kept,) = (example.features.feature for example in records(stamp.path))
    assert code == 2  # The text has no answer, and is not a request that was served.
    assert kept[features.PREDICTED_CLASS].bytes_list.value == [b"bright"]
    assert kept[features.CONFIDENCE].float_list.value[0] == pytest.approx(0.98, abs=1e-2)
    assert kept[features.MODEL].bytes_list.value == [(weights_fingerprint(str(version_dir)) or "").encode()]
    code, _, err = say(*words)
    assert code == 2 and "serving_log.uri says; it is empty" in err
