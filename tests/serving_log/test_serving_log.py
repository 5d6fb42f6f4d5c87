"""What is kept of requests, and what is found again."""

import gzip
import io
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import frostgate
from components.errors import DataRefused
from components.ingest.storage import FileStamp
from components.serving_log.days import files_of, window
from schemas import features

TODAY = datetime.now(UTC).date()


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def examples(root: Path) -> list:
    from components.serving_log.reading import records

    return [example for stamp in files_of(str(root), (TODAY,))[1] for example in records(stamp.path)]


def test_a_request_is_found_again_measured_as_ingest_measures(tmp_path):
    before = int(datetime.now(UTC).timestamp())
    with frostgate.serving_log(str(tmp_path)) as log:
        log.record(png(1), "cat", 0.75)
    (found,) = examples(tmp_path)
    values = found.features.feature
    assert values[features.PREDICTED_CLASS].bytes_list.value == [b"cat"]
    assert values[features.CONFIDENCE].float_list.value == [0.75]
    assert values[features.FORMAT].bytes_list.value == [b"png"]
    assert values[features.HEIGHT].int64_list.value == [8]
    pixels = np.asarray(Image.open(io.BytesIO(png(1))))
    assert values[features.CHANNEL_MEANS[0]].float_list.value[0] == pytest.approx(pixels[..., 0].mean(), abs=1e-3)
    assert before <= values[features.SERVED_AT].int64_list.value[0] <= before + 60


def test_nothing_of_a_picture_is_kept_unless_pictures_are_wanted(tmp_path):
    picture = png(2)
    with frostgate.serving_log(str(tmp_path / "private")) as log:
        log.record(picture, "cat", 0.5)
    with frostgate.serving_log(str(tmp_path / "open"), pictures=True) as log:
        log.record(picture, "cat", 0.5)
    (private,), (opened,) = examples(tmp_path / "private"), examples(tmp_path / "open")
    assert set(private.features.feature) == {
        *features.NUMBERS, features.FORMAT, features.PREDICTED_CLASS, features.CONFIDENCE, features.SERVED_AT,
        features.MODEL,
    }  # fmt: skip
    assert opened.features.feature[features.IMAGE_BYTES].bytes_list.value == [picture]


def test_a_share_is_kept_and_counted(tmp_path):
    from components.serving_log.settings import ServingLogSettings
    from components.serving_log.writer import ServingLog

    picture = png(3)
    with ServingLog(ServingLogSettings(uri=str(tmp_path), rate=0.2), seed=7) as log:
        for _ in range(500):
            log.record(picture, "cat", 0.5)
    assert 70 <= log.num_kept <= 130 and log.num_lost == 0
    assert len(examples(tmp_path)) == log.num_kept


def test_a_picture_that_cannot_be_measured_has_its_answer(tmp_path):
    with frostgate.serving_log(str(tmp_path)) as log:
        log.record(b"BM no picture that ingest takes", "cat", 0.5)
    (found,) = examples(tmp_path)
    assert features.HEIGHT not in found.features.feature
    assert found.features.feature[features.PREDICTED_CLASS].bytes_list.value == [b"cat"]


def test_threads_share_a_log(tmp_path):
    picture = png(4)
    with frostgate.serving_log(str(tmp_path)) as log:

        def ask() -> None:
            for _ in range(50):
                log.record(picture, "cat", 0.5)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(examples(tmp_path)) == 200


def test_a_log_that_cannot_be_written_costs_the_server_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with frostgate.serving_log(str(tmp_path / "file")) as log:
        log.record(png(5), "cat", 0.5)
        log.record(png(6), "cat", 0.5)
    assert (log.num_kept, log.num_lost) == (0, 2)
    assert "2 requests could not be logged" in caplog.text


def test_a_file_is_not_seen_before_it_is_complete(tmp_path):
    log = frostgate.serving_log(str(tmp_path))
    log.record(png(7), "cat", 0.5)
    assert not tmp_path.exists() or files_of(str(tmp_path), (TODAY,))[1] == []
    log.close()
    assert len(examples(tmp_path)) == 1
    (tmp_path / TODAY.isoformat() / ".120000-1-aa.tfrecord.gz").write_bytes(b"half")
    assert len(files_of(str(tmp_path), (TODAY,))[1]) == 1


def test_damage_costs_what_is_behind_it_and_is_named(tmp_path):
    from components.serving_log.reading import Damaged, records
    from components.serving_log.requests import Counts, requests

    with frostgate.serving_log(str(tmp_path)) as log:
        for seed in range(20):
            log.record(png(seed), "cat", 0.5)
    (stamp,) = files_of(str(tmp_path), (TODAY,))[1]
    path = Path(stamp.path)
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[: len(whole) * 3 // 4 - 7]))
    empty = path.with_name("235959-1-aa.tfrecord.gz")
    empty.touch()
    with pytest.raises(Damaged):
        list(records(stamp.path))
    counts = Counts("", [], "1")
    found = list(requests([stamp, FileStamp(str(empty), 0, "")], "", counts))
    assert len(found) == counts.num_requests == 14
    assert len(counts.damaged_files) == 2 and str(empty) in counts.damaged_files[1]


def test_a_record_of_something_else_is_damage(tmp_path):
    import tensorflow as tf

    from components.serving_log.reading import Damaged, records

    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord.gz"), "GZIP") as writer:
        writer.write(b"no example")
    with pytest.raises(Damaged, match=r"a record is no tf\.train\.Example"):
        list(records(str(tmp_path / "a.tfrecord.gz")))


def test_another_models_requests_are_counted_and_not_used(tmp_path):
    from components.serving_log.requests import Counts, requests
    from components.serving_log.settings import ServingLogSettings
    from components.serving_log.writer import ServingLog

    for model in ("champion", "another", ""):
        with ServingLog(ServingLogSettings(uri=str(tmp_path)), model) as log:
            log.record(png(1), model or "unknown", 0.5)
    counts = Counts("", [], "1")
    found = list(requests(files_of(str(tmp_path), (TODAY,))[1], "champion", counts))
    names = {one.features.feature[features.PREDICTED_CLASS].bytes_list.value[0] for one in found}
    assert names == {b"champion", b"unknown"}
    assert (counts.num_requests, counts.num_other_model) == (2, 1)


def test_the_window_ends_with_the_day_that_is_asked_for():
    assert window("2026-03-01", 3) == (date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1))
    assert window("", 1) == (datetime.now(UTC).date(),)
    with pytest.raises(DataRefused, match="received '2026-02-30'"):
        window("2026-02-30", 1)


def test_a_new_file_is_a_new_log(tmp_path):
    with frostgate.serving_log(str(tmp_path)) as log:
        log.record(png(1), "cat", 0.5)
    first, _ = files_of(str(tmp_path), (TODAY,))
    assert files_of(str(tmp_path), (TODAY,))[0] == first
    with frostgate.serving_log(str(tmp_path)) as log:
        log.record(png(1), "cat", 0.5)
    assert files_of(str(tmp_path), (TODAY,))[0] != first


def test_a_log_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataRefused, match="nowhere was not found"):
        files_of(str(tmp_path / "nowhere"), (TODAY,))


def test_a_store_that_fails_in_its_own_way_costs_the_server_nothing(tmp_path, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    def refuse(*_, **__):
        raise RuntimeError("An error occurred (AccessDenied)")

    monkeypatch.setattr(LocalFileSystem, "put_file", refuse)
    with frostgate.serving_log(str(tmp_path)) as log:
        log.record(png(1), "cat", 0.5)
    assert (log.num_kept, log.num_lost) == (0, 1)
    assert log.why_lost == "An error occurred (AccessDenied)"


def test_a_log_goes_on_after_it_was_closed_once(tmp_path):
    log = frostgate.serving_log(str(tmp_path))
    for _ in range(2):
        log.record(png(1), "cat", 0.5)
        log.close()
    assert len(examples(tmp_path)) == 2


def test_files_of_a_thousand_requests_are_brought_while_the_next_come(tmp_path):
    picture = png(1)
    with frostgate.serving_log(str(tmp_path)) as log:
        for _ in range(2_100):
            log.record(picture, "cat", 0.5)
    assert len(files_of(str(tmp_path), (TODAY,))[1]) == 3 and len(examples(tmp_path)) == 2_100


def test_an_address_that_cannot_be_opened_is_refused_at_once():
    with pytest.raises(DataRefused, match="nowhere:// is not available here"):
        frostgate.serving_log("nowhere://log")


@pytest.mark.parametrize(
    ("picture", "name", "confidence", "sentence"),
    [
        ("path.png", "cat", 0.5, "received str and str"),
        (b"picture", 5, 0.5, "received bytes and int"),
        (b"picture", "cat", float("nan"), "between 0 and 1; received nan"),
        (b"picture", "cat", 95.0, "between 0 and 1; received 95.0"),
    ],
)
def test_what_is_no_request_is_counted_said_and_raises_nothing(tmp_path, caplog, picture, name, confidence, sentence):
    with frostgate.serving_log(str(tmp_path)) as log:
        log.record(picture, name, confidence)
    assert (log.num_asked, log.num_kept, log.num_lost) == (1, 0, 1) and sentence in caplog.text


def test_numbers_that_another_program_left_infinite_are_counted_and_not_used(tmp_path):
    import tensorflow as tf

    from components.serving_log.examples import answer_features, example_of
    from components.serving_log.requests import Counts, requests

    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord.gz"), "GZIP") as writer:
        for confidence in (0.5, float("nan")):
            writer.write(example_of(answer_features("cat", confidence)).SerializeToString())
    counts = Counts("", [], "1")
    assert len(list(requests([FileStamp(str(tmp_path / "a.tfrecord.gz"), 0, "")], "", counts))) == 1
    assert (counts.num_requests, counts.num_unsound) == (1, 1)


def test_a_model_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="must be a SavedModel's folder"):
        frostgate.serving_log(str(tmp_path), model=str(tmp_path / "7"))


def test_a_store_that_cannot_be_asked_is_a_sentence(monkeypatch, tmp_path):
    from fsspec.implementations.local import LocalFileSystem

    def refuse(*_, **__):
        raise RuntimeError("Unable to locate credentials")

    monkeypatch.setattr(LocalFileSystem, "isdir", refuse)
    with pytest.raises(DataRefused, match="Unable to locate credentials"):
        files_of(str(tmp_path), (TODAY,))


def test_a_log_in_a_store_that_is_no_folder_is_found_again():
    with frostgate.serving_log("memory://requests") as log:
        log.record(png(1), "cat", 0.5)
    (stamp,) = files_of("memory://requests", (TODAY,))[1]
    from components.serving_log.reading import records

    assert len(list(records(stamp.path))) == 1
