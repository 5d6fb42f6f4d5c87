"""An output folder that was copied or moved: what it knows lies elsewhere, where nothing may be written or removed."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.prune import prune
from pipeline.runners.errors import StoreUnusable
from pipeline.runners.local import run
from pipeline.runners.place import check_place
from pipeline.runners.watching import look

pytestmark = pytest.mark.tfx


def content(folder: Path) -> dict[str, bytes]:
    """Everything below a folder but what a run says of itself."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "runs" not in path.parts and path.name not in ("run.lock", "run.pid")
    }


def config_in(output: Path, tiny_config, *overrides: str):
    told = [f"output={output}", f"data.uri={tiny_config.data.uri}", "backbone.weights=none", "retention.runs=1"]
    return load(None, [*told, *overrides])


@pytest.fixture
def original(tmp_path, tiny, tiny_config) -> Path:
    for version in ("1", "2", "3"):
        assert run(tiny_config, None, tiny(version=version)).status == "pushed"
    return tmp_path / "out"


def test_a_store_that_was_moved_away_starts_anew_in_a_folder_of_its_own(original, tmp_path, tiny, tiny_config):
    root = next(original.glob("*/metadata.sqlite")).parent
    before = content(root / "artifacts")
    for number in (1, 2):
        (root / "metadata.sqlite").rename(tmp_path / f"moved-{number}.sqlite")
        summary = run(tiny_config, None, tiny(version="3"))
        assert (summary.status, {node.status for node in summary.nodes}) == ("pushed", {"done"})
        assert f"are kept in {root}/artifacts-without-store-{number}." in Path(summary.log).read_text()
    assert content(root / "artifacts-without-store-1") == before


def test_a_run_in_a_copy_is_refused_and_touches_neither_folder(original, tmp_path, tiny, tiny_config):
    copy = shutil.copytree(original, tmp_path / "copy")
    before, there = content(original), content(copy)
    summary = run(config_in(copy, tiny_config), None, tiny(version="4"))
    assert (summary.status, summary.exit_code, summary.nodes) == ("failed", 1, ())
    assert summary.message.startswith(f"{copy}/digits/metadata.sqlite must know artifacts in {copy}/digits/artifacts; ")
    assert (
        f"moved or copied from {original}/digits. No artifact was written or removed. A copy: go on with the original"
        in (summary.message)
    )
    assert (content(original), content(copy)) == (before, there)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_prune_in_a_copy_removes_nothing_anywhere(original, tmp_path, tiny_config, dry_run):
    copy = shutil.copytree(original, tmp_path / "copy")
    before, there = content(original), content(copy)
    served = copy / "digits" / "models" / "1" / "assets.extra"
    for number in range(1, 9):
        served = copy / "digits" / "models" / str(number) / "assets.extra"
        served.mkdir(parents=True)
        (served / "frostgate_manifest.json").write_text('{"fingerprint": "a", "files": {}}')
    with pytest.raises(StoreUnusable, match="was moved or copied from"):
        prune(config_in(copy, tiny_config), dry_run, lambda removal: None)
    assert content(original) == before and set(there) <= set(content(copy))
    assert len(list((copy / "digits" / "models").iterdir())) == 8


def test_a_folder_that_was_moved_goes_on_once_its_old_place_is_a_link(
    original, tmp_path, tiny, tiny_config, looked_outside_only
):
    moved = original.rename(tmp_path / "moved")
    config = config_in(moved, tiny_config)
    refused = run(config, None, tiny(version="3"))
    told = f"ln -s {moved}/digits {original}/digits"
    assert refused.status == "failed" and refused.message.endswith(told)
    original.mkdir()
    (original / "digits").symlink_to(moved / "digits")
    again = run(config, None, tiny(version="3"))
    assert again.status == "pushed" and looked_outside_only(again)
    kinds = {removal.kind for removal in prune(config, False, lambda removal: None)}
    assert kinds == {"run", "artifact"}
    assert looked_outside_only(run(config, None, tiny(version="3")))


def test_a_folder_under_two_names_is_one_folder(tmp_path, tiny, tiny_config, looked_outside_only):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for output in ("link", "disk", "link/../link"):
        summary = run(config_in(tmp_path / output, tiny_config), None, tiny())
        assert summary.status == "pushed", summary.message
    assert looked_outside_only(summary)


def test_artifacts_that_a_link_keeps_elsewhere_are_refused(original, tmp_path, tiny, tiny_config):
    """A copy of such a folder has the link, too, and with it the original's artifacts."""
    artifacts = original / "digits" / "artifacts"
    artifacts.rename(tmp_path / "disk")
    artifacts.symlink_to(tmp_path / "disk")
    before = content(tmp_path / "disk")
    summary = run(tiny_config, None, tiny(version="4"))
    assert summary.status == "failed" and f"it is a link to {tmp_path}/disk" in summary.message
    with pytest.raises(StoreUnusable, match="make the whole output folder the link"):
        prune(config_in(original, tiny_config), False, lambda removal: None)
    assert content(tmp_path / "disk") == before


def test_prune_removes_nothing_behind_a_link(original, tmp_path, tiny_config):
    numbered = [tmp_path / "theirs" / "said" / "7", tmp_path / "theirs" / ".system" / "executor_execution" / "7"]
    for folder in numbered:
        folder.mkdir(parents=True)
        (folder / "kept").touch()
    artifacts = original / "digits" / "artifacts"
    (artifacts / "Linked").symlink_to(tmp_path / "theirs")
    (artifacts / "Start" / "linked").symlink_to(tmp_path / "theirs" / "said")
    prune(config_in(original, tiny_config), False, lambda removal: None)
    assert all((folder / "kept").exists() for folder in numbered)


def store_of(folder: Path, *uris: str) -> Path:
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "metadata.sqlite") as connection:
        connection.execute("CREATE TABLE Artifact (id INTEGER, uri TEXT)")
        connection.executemany("INSERT INTO Artifact (uri) VALUES (?)", [(uri,) for uri in uris])
    return folder / "metadata.sqlite"


@pytest.mark.parametrize("uri", ["{own}/../other/artifacts/Start/said/1", "/elsewhere/artifacts/Start/said/1", "/x"])
def test_one_address_that_leads_elsewhere_is_enough(tmp_path, uri):
    own = tmp_path / "own"
    store = store_of(own, f"{own}/artifacts/Start/said/1", uri.format(own=own), "")
    with pytest.raises(StoreUnusable, match="must know artifacts in"):
        check_place(store, own / "artifacts")


def test_a_look_at_the_log_in_a_copy_is_refused(tmp_path, tiny_config):
    store_of(tmp_path / "out" / "digits" / "monitoring", "/elsewhere/digits/monitoring/artifacts/Champion/baseline/1")
    with pytest.raises(StoreUnusable, match="copied from /elsewhere/digits/monitoring"):
        prune(tiny_config, False, lambda removal: None)
    # The store of this test has no version, which a look would complain of first.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pipeline.runners.watching.check", lambda store: None)
        summary = look(tiny_config, "")
    assert summary.status == "failed" and "copied from /elsewhere/digits/monitoring" in summary.message
