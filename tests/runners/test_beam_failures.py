"""What Beam's workers raise reaches the person as they said it, however many workers there are."""

import shutil

import pytest

from components.errors import DataRefused
from components.registry.protocol import RegistryUnavailable
from pipeline.runners.failures import explain

pytestmark = pytest.mark.tfx

SENTENCES = "The data were refused:\n- one reason\n- another"
BEHAVIOURS = {
    "refuse": DataRefused(SENTENCES),
    "crash": ZeroDivisionError("nothing to divide by\nand a second line"),
    "wrap": DataRefused("The manifest has no rows; write one row an image."),
    "fill the disk": OSError(28, "No space left on device", "/o/file"),
}


def behave(name: str) -> None:
    if name != "wrap":
        raise BEHAVIOURS[name]
    try:
        raise BEHAVIOURS[name]
    except DataRefused as error:
        raise RuntimeError("wrapped by a library") from error


@pytest.mark.parametrize("workers", [["in_memory", 1], ["multi_threading", 2]])
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("refuse", ("refused", 2, SENTENCES)),
        ("crash", ("failed", 1, "Ingest failed: ZeroDivisionError: nothing to divide by")),
        ("wrap", ("refused", 2, "The manifest has no rows; write one row an image.")),
        ("fill the disk", None),
    ],
)
def test_a_workers_failure_is_told_as_it_was_raised(workers, behaviour, outcome):
    import apache_beam as beam

    mode, num_workers = workers
    arguments = ["--runner=DirectRunner", f"--direct_running_mode={mode}", f"--direct_num_workers={num_workers}"]
    with pytest.raises(Exception) as caught, beam.Pipeline(argv=arguments) as pipeline:
        _ = pipeline | beam.Create([behaviour]) | "Behave" >> beam.Map(behave)
    status, exit_code, message = explain(caught.value, "Ingest", "/o")
    if outcome is None:  # The file's name is lost among several workers.
        assert (status, exit_code) == ("failed", 1) and message.endswith(
            "could not be written: No space left on device."
        )
    else:
        assert (status, exit_code, message) == outcome


def test_what_is_worded_for_people_is_told_without_the_name_of_a_class():
    error = RuntimeError("wrapped by a library")
    error.__cause__ = RegistryUnavailable.at("http://registry", "it did not answer in time")
    status, exit_code, message = explain(error, "Pusher", "/o")
    assert (status, exit_code) == ("failed", 1)
    assert message.startswith("Pusher failed: the model registry at http://registry did not do what was asked (it did")


def test_a_disk_that_is_full_is_where_a_copy_was_to_go(monkeypatch, tmp_path):
    (tmp_path / "from").write_bytes(b"weights")
    monkeypatch.setattr("os.sendfile", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError) as caught:
        shutil.copyfile(tmp_path / "from", tmp_path / "to")
    said = f"{tmp_path}/to could not be written: No space left on device."
    assert explain(caught.value, "Pusher", "/o") == ("failed", 1, said)
