"""A version directory is complete or absent, whatever happens."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.push_gate.fingerprint import directory_fingerprint
from components.pusher import versions
from components.pusher.versions import MANIFEST, file_hashes, is_served, push, verify

pytestmark = pytest.mark.slow

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "variables/data": b"w" * 70_000}

# Dies as a SIGKILL would, without clean-up, before the file system operation of the given number.
DYING_PUSH = """
import os, sys
from pathlib import Path
from components import whole_files
from components.pusher import versions

left = int(sys.argv[4])
def fuse(operation):
    def burning(*args, **kwargs):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return operation(*args, **kwargs)
    return burning

for name in ("_copy", "_write", "_sync", "verify", "_sync_folders"):
    setattr(versions, name, fuse(getattr(versions, name)))
whole_files.sha256_of = fuse(whole_files.sha256_of)
Path.rename = fuse(Path.rename)
versions.push(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""

PUSH = (
    "import sys; from pathlib import Path; from components.pusher.versions import push\n"
    "print(push(Path(sys.argv[1]), sys.argv[2], sys.argv[3]).version)"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", FILES)


def write_model(folder: Path, files: dict[str, bytes]) -> Path:
    for path, contents in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(contents)
    return folder


def test_a_first_push_is_version_one_with_every_byte(model: Path, tmp_path: Path) -> None:
    pushed = push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    assert (pushed.version, pushed.already_there, pushed.damaged) == (1, False, ())
    assert {path: (pushed.path / path).read_bytes() for path in FILES} == FILES
    assert json.loads((pushed.path / MANIFEST).read_text()) == {
        "fingerprint": directory_fingerprint(str(model)),
        "files": file_hashes(model),
    }


def test_the_same_content_again_is_a_recorded_no_op(model: Path, tmp_path: Path) -> None:
    first = push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    second = push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    assert (second.version, second.already_there) == (1, True)
    assert versions.versions(first.path.parent) == (1,)


def test_other_content_is_the_next_number_after_the_highest(model: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / "41").mkdir(parents=True)
    assert push(model, str(tmp_path / "models"), directory_fingerprint(str(model))).version == 42


def test_content_that_a_newer_version_replaced_is_served_again(model: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", {"saved_model.pb": b"other"})
    numbers = [
        push(folder, str(tmp_path / "models"), directory_fingerprint(str(folder))).version
        for folder in (model, other, model)
    ]
    assert numbers == [1, 2, 3]


def test_a_server_sees_only_numbers(model: Path, tmp_path: Path) -> None:
    root = push(model, str(tmp_path / "models"), directory_fingerprint(str(model))).path.parent
    assert [child.name for child in root.iterdir() if not child.name.startswith(".")] == ["1"]
    assert root.joinpath("1").stat().st_mode & 0o777 == 0o755


def test_a_server_of_another_user_may_read_all_whatever_the_umask(model: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        pushed = push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    finally:
        os.umask(before)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (pushed.path, *pushed.path.rglob("*"))}
    assert modes == {True: 0o755, False: 0o644}


@pytest.mark.parametrize("name", ["7", "09", "12", f"{2**63 - 2}"])
@pytest.mark.parametrize("kind", ["folder", "file", "pipe", "link"])
def test_a_number_that_a_server_may_read_is_passed_over_whosever_it_is(
    model: Path, tmp_path: Path, name: str, kind: str
) -> None:
    root = tmp_path / "models"
    push(model, str(root), directory_fingerprint(str(model)))
    path = root / name
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.touch()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    assert not is_served(root, directory_fingerprint(str(model)))
    pushed = push(model, str(root), directory_fingerprint(str(model)))
    assert (pushed.version, verify(pushed.path)) == (int(name) + 1, ())
    assert is_served(root, directory_fingerprint(str(model)))


@pytest.mark.parametrize("name", [".unfinished-note", "9" * 40, "9" * 255, "1" * 19 + "x", "१", str(2**63)])
def test_what_no_server_reads_is_in_nobodys_way(model: Path, tmp_path: Path, name: str) -> None:
    root = tmp_path / "models"
    root.mkdir()
    (root / name).touch()
    assert push(model, str(root), directory_fingerprint(str(model))).version == 1
    assert (root / name).is_file()


def test_above_the_largest_number_nothing_is_pushed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / str(2**63 - 1)).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"9223372036854775807 has the largest number that there is; move it away"):
        push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))


def test_a_push_killed_anywhere_leaves_no_half_version_and_the_next_one_repairs(model: Path, tmp_path: Path) -> None:
    for step in range(100):
        root = tmp_path / f"models{step}"
        died = (
            subprocess.run(
                [sys.executable, "-c", DYING_PUSH, model, root, directory_fingerprint(str(model)), str(step)]
            ).returncode
            == 9
        )
        found = versions.versions(root) if root.exists() else ()
        assert all(verify(root / str(version)) == () for version in found), step
        pushed = push(model, str(root), directory_fingerprint(str(model)))
        assert (pushed.version, verify(pushed.path), versions.versions(root)) == (1, (), (1,)), step
        assert not list(root.glob(".unfinished-*")), step
        if not died:
            break
    # Every file is copied, hashed and synced on its own, so the loop must have died at least that often.
    assert 10 < step < 99


def test_two_processes_pushing_one_model_make_one_version(model: Path, tmp_path: Path) -> None:
    root = tmp_path / "models"
    command = [sys.executable, "-c", PUSH, str(model), str(root), directory_fingerprint(str(model))]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["1", "1"]
    assert versions.versions(root) == (1,)


def test_a_failed_copy_publishes_nothing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions.shutil, "copyfile", lambda source, target: Path(target).write_bytes(b"short"))
    with pytest.raises(OSError, match=r"the copy differs from .*saved_model.pb.*nothing was pushed"):
        push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    assert [child.name for child in (tmp_path / "models").iterdir()] == [".push.lock"]


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda version: (version / "saved_model.pb").write_bytes(b"other"), "saved_model.pb: changed"),
        (lambda version: (version / "saved_model.pb").unlink(), "saved_model.pb: missing"),
        (lambda version: (version / "extra").write_bytes(b""), "extra: not in the manifest"),
        (lambda version: (version / MANIFEST).unlink(), "no readable manifest"),
        (lambda version: (version / MANIFEST).write_text("{"), "no readable manifest"),
    ],
)
def test_a_damaged_version_is_reported_and_left_alone(
    model: Path, tmp_path: Path, harm: Callable[[Path], object], sentence: str
) -> None:
    first = push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    harm(first.path)
    before = file_hashes(first.path)
    second = push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))
    assert second.version == 2 and not second.already_there
    assert len(second.damaged) == 1 and sentence in second.damaged[0] and str(first.path) in second.damaged[0]
    assert file_hashes(first.path) == before


@pytest.mark.parametrize("emptied", [False, True])
def test_a_manifest_that_was_changed_with_the_files_stands_for_nothing(
    model: Path, tmp_path: Path, emptied: bool
) -> None:
    fingerprint = directory_fingerprint(str(model))
    first = push(model, str(tmp_path / "models"), fingerprint)
    (first.path / "saved_model.pb").write_bytes(b"grapi")
    if emptied:
        for path in file_hashes(first.path):
            (first.path / path).unlink()
    manifest = {"fingerprint": fingerprint, "files": file_hashes(first.path)}
    (first.path / MANIFEST).write_text(json.dumps(manifest))
    assert not is_served(tmp_path / "models", fingerprint)
    second = push(model, str(tmp_path / "models"), fingerprint)
    assert second.version == 2 and second.damaged == (f"{first.path / MANIFEST}: changed since it was pushed",)
    assert is_served(tmp_path / "models", fingerprint)


@pytest.mark.parametrize("destination", ["gs://bucket/models", "s3://bucket/models"])
def test_a_bucket_is_refused_in_one_sentence(model: Path, destination: str) -> None:
    with pytest.raises(ValueError, match=f"mounted file system; received {destination}"):
        push(model, destination, directory_fingerprint(str(model)))


def test_a_destination_that_is_a_file_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(ValueError, match=r"must be a folder; .*models cannot be made"):
        push(model, str(tmp_path / "models"), directory_fingerprint(str(model)))


def test_a_model_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match="must have files"):
        push(tmp_path / "model", str(tmp_path / "models"), "")


def test_a_model_that_changed_since_somebody_looked_at_it_is_refused_before_anything_is_written(
    model: Path, tmp_path: Path
) -> None:
    fingerprint = directory_fingerprint(str(model))
    (model / "saved_model.pb").write_bytes(b"grapi")
    with pytest.raises(ValueError, match=f"must hash to {fingerprint}"):
        push(model, str(tmp_path / "models"), fingerprint)
    assert list((tmp_path / "models").iterdir()) == []
