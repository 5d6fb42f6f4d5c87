"""Where models' files are kept beside a Kubeflow Model Registry."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from components.errors import DataRefused
from components.push_gate.fingerprint import directory_fingerprint
from components.registry.kubeflow_storage import ModelStorage, fetch
from components.registry.protocol import ModelRecord, RegistryUnavailable

Make = Callable[..., ModelRecord]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a server of its own, on the loopback address."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patched.setenv(name, "test")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        boto3.client("s3").create_bucket(Bucket="models")
        yield "s3://models"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "a storage")
    return f"{request.getfixturevalue('bucket')}/{uuid4().hex}"


def test_a_model_comes_back_as_it_was_kept(root: str, make_record: Make, tmp_path: Path) -> None:
    record = make_record()
    source = ModelStorage(root).keep("digits/one", record)
    assert "://" in source and source.endswith("/digits/one/Format-Serving")
    fetch(source, tmp_path / "back")
    assert directory_fingerprint(str(tmp_path / "back")) == record.fingerprint
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["saved_model.pb", "variables"]


def test_what_is_whole_is_not_copied_again(root: str, make_record: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    record = make_record()
    source = ModelStorage(root).keep("digits/one", record)
    monkeypatch.setattr(ModelStorage, "_place", None)
    assert ModelStorage(root).keep("digits/one", record) == source


@pytest.mark.parametrize("harm", ["damaged", "gone", "more"])
def test_what_changed_since_it_was_kept_is_copied_again(
    root: str, make_record: Make, tmp_path: Path, harm: str
) -> None:
    record = make_record()
    source = ModelStorage(root).keep("digits/one", record)
    files, path = fsspec.core.url_to_fs(source)
    if harm == "gone":
        files.rm(path, recursive=True)
    else:
        files.pipe_file(f"{path}/{'saved_model.pb' if harm == 'damaged' else 'more'}", b"grapi")
    assert ModelStorage(root).keep("digits/one", record) == source
    fetch(source, tmp_path / "fetched")
    assert directory_fingerprint(str(tmp_path / "fetched")) == record.fingerprint


@pytest.mark.parametrize("damaged", ["saved_model.pb", "verdict.json"])
def test_a_copy_that_arrived_otherwise_is_refused_and_made_again(
    root: str, make_record: Make, monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    record, storage = make_record(), ModelStorage(root)
    put = storage._files.put_file

    def torn(source: str, target: str) -> None:
        put(source, target)
        if source.endswith(damaged):
            storage._files.pipe_file(target, b"gra")

    with monkeypatch.context() as patched:
        patched.setattr(storage._files, "put_file", torn)
        with pytest.raises(RegistryUnavailable, match=rf"the uploaded .*{re.escape(damaged)} is not what was sent"):
            storage.keep("digits/one", record)
    files, path = fsspec.core.url_to_fs(root)
    assert not files.exists(f"{path}/digits/one/manifest.json")
    fetched = ModelStorage(root).keep("digits/one", record)
    assert directory_fingerprint(fetched) == record.fingerprint


def test_a_model_that_is_not_the_judged_one_is_not_kept(root: str, make_record: Make) -> None:
    record = make_record()
    model = next(iter(record.artifacts))
    (model / "saved_model.pb").write_text("changed since")
    with pytest.raises(RegistryUnavailable, match=f"the judged one to {record.fingerprint}"):
        ModelStorage(root).keep("digits/one", record)


def test_copies_of_one_model_at_once_do_not_disturb_each_other(root: str, make_record: Make) -> None:
    record = make_record()
    with ThreadPoolExecutor(4) as pool:
        told = {one.result() for one in [pool.submit(ModelStorage(root).keep, "digits/one", record) for _ in range(4)]}
    assert directory_fingerprint(told.pop()) == record.fingerprint and not told


def test_what_is_removed_is_gone_and_removing_it_again_does_nothing(root: str, make_record: Make) -> None:
    storage = ModelStorage(root)
    storage.keep("digits/one", make_record())
    other = storage.keep("digits/two", make_record("other"))
    for _ in range(2):
        storage.remove("digits/one")
    files, path = fsspec.core.url_to_fs(root)
    assert not files.exists(f"{path}/digits/one") and directory_fingerprint(other)


def test_a_storage_that_cannot_be_written_is_named(make_record: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("notes")
    with pytest.raises(RegistryUnavailable, match=f"the model registry at {tmp_path}/file did not do what was asked"):
        ModelStorage(str(tmp_path / "file")).keep("digits/one", make_record())
    assert (tmp_path / "file").read_text() == "notes"


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_named_and_not_made(make_record: Make) -> None:
    with pytest.raises(RegistryUnavailable, match="the model registry at s3://modles did not do what was asked"):
        ModelStorage("s3://modles").keep("digits/one", make_record())
    # Servers of one process share their buckets; other tests' may be there.
    made = fsspec.filesystem("s3").ls("")
    assert "models" in made and "modles" not in made


def test_a_storage_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DataRefused, match="models are kept in a folder, s3:// or gs://; floppy://a cannot be opened"):
        ModelStorage("floppy://a")


def test_names_that_lead_out_of_the_folder_are_not_fetched(tmp_path: Path) -> None:
    files, root = fsspec.filesystem("memory"), uuid4().hex
    files.store[f"/{root}/../../loot"] = files.open(f"/{root}/harmless", "wb")
    files.pipe_file(f"/{root}/harmless", b"x")
    with pytest.raises(RegistryUnavailable, match="a name in it leads out of it"):
        fetch(f"memory://{root}", tmp_path / "back")
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("source", ["gone", "empty"])
def test_files_that_are_not_there_are_named(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegistryUnavailable, match=f"{tmp_path}/{source} did not do .*there is no folder with files"):
        fetch(str(tmp_path / source), tmp_path / "back")
