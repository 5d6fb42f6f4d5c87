"""A weights file of one's own is looked for before anything runs, and a changed file makes another run."""

import functools
import http.server
import threading
from pathlib import Path

import pytest

from components.errors import DataRefused
from pipeline.config import load
from pipeline.resolve import resolve, weights_fingerprint


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(b"weights")
    return path


def test_weights_that_changed_under_their_name_are_other_weights(file, tmp_path):
    config = load(None, [f"backbone.weights={file}", f"output={tmp_path / 'output'}"])
    before = resolve(config)
    assert resolve(config).run_key == before.run_key
    file.write_bytes(b"others!")
    after = resolve(config)
    assert after.pretrain_fingerprint != before.pretrain_fingerprint and after.run_key != before.run_key


def test_a_file_on_a_web_server_that_lists_no_folder_has_a_fingerprint(file):
    class Silent(http.server.SimpleHTTPRequestHandler):
        def list_directory(self, path):
            self.send_error(404)

    handler = functools.partial(Silent, directory=str(file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert weights_fingerprint(load(None, [f"backbone.weights={address}/{file.name}"]))
        with pytest.raises(DataRefused, match="there is none at http"):
            weights_fingerprint(load(None, [f"backbone.weights={address}/no.h5"]))
        server.shutdown()


@pytest.mark.parametrize("name", ["pretrain", "imagenet", "none"])
def test_weights_that_are_no_file_have_no_fingerprint(name):
    assert weights_fingerprint(load(None, [f"backbone.weights={name}"])) == ""


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    missing = tmp_path / "no.weights.h5"
    told = f"backbone.weights must be a file; there is none at {missing}. Correct the path."
    with pytest.raises(DataRefused) as refused:
        weights_fingerprint(load(None, [f"backbone.weights={missing}"]))
    assert str(refused.value) == told
