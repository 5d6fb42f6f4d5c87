"""Old runs go, what is kept still works, and nothing creeps."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config, load
from pipeline.prune import Removal, prune
from pipeline.runners.errors import AnotherRun, StoreUnusable
from pipeline.runners.local import run
from pipeline.runners.lock import alone

pytestmark = pytest.mark.tfx

TABLES = ("Execution", "Artifact", "Event", "Context", "Association", "Attribution", "ExecutionProperty")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    told = [f"output={tmp_path}/out", f"data.uri={tmp_path}/span-{{SPAN}}", "backbone.weights=none"]
    return load(None, [*told, "retention.runs=3", "retention.served_versions=1"])


@pytest.fixture
def day(config: Config, tiny: Callable[..., Callable], tmp_path: Path) -> Callable[[int], str]:
    """A delivery arrives, and its run; returns the run's id."""

    def one(number: int, **options: object) -> str:
        for label in ("cat", "dog"):
            folder = tmp_path / f"span-{number}" / label
            folder.mkdir(parents=True)
            (folder / "1.png").write_bytes(f"{label}{number}".encode())
        # Every day's artifacts are its own, as with real data.
        return run(config, None, tiny(version=str(number), **options)).run_id

    return one


def pruned(config: Config, dry_run: bool = False) -> list[Removal]:
    return prune(config, dry_run, lambda removal: None)


def rows(config: Config) -> dict[str, int]:
    with sqlite3.connect(Path(config.output) / config.name / "metadata.sqlite") as connection:
        return {table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in TABLES}


def folders(config: Config) -> list[str]:
    root = Path(config.output) / config.name
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


def runs(config: Config) -> list[str]:
    return sorted(path.name for path in (Path(config.output) / config.name / "runs").iterdir())


def test_the_newest_runs_stay_and_are_still_in_the_cache(config, day, tiny, looked_outside_only):
    ids = [day(number) for number in range(1, 6)]
    found = pruned(config)
    assert runs(config) == ids[2:] and {removal.kind for removal in found} == {"run", "artifact"}
    again = run(config, None, tiny(version="5"), again=True)
    assert looked_outside_only(again) and again.status == "pushed"
    assert Path(str(again.card)).exists()


def test_a_dry_run_names_what_would_go_and_changes_nothing(config, day):
    for number in range(1, 6):
        day(number)
    before, there = rows(config), folders(config)
    told: list[Removal] = []
    would = prune(config, True, told.append)
    assert would == told and (rows(config), folders(config)) == (before, there)
    assert would == pruned(config)
    assert sum(removal.num_bytes for removal in would) > 0
    assert not any(Path(removal.name).exists() for removal in would)
    assert pruned(config) == []


def test_what_a_kept_run_took_from_the_cache_of_an_old_one_stays(config, day, tiny, looked_outside_only):
    day(1)
    # None of these makes anything: their artifacts are the first run's.
    for _ in range(4):
        run(config, None, tiny(version="1"), again=True)
    first = runs(config)[0]
    pruned(config)
    assert first not in runs(config)
    assert looked_outside_only(run(config, None, tiny(version="1"), again=True))


def test_the_last_verdict_outlives_failures_and_idle_days(config, day, tiny, pushed_is_there):
    judged = day(1)
    for _ in range(5):
        assert run(config, None, tiny(version="1")).status == "unchanged"
    for number in range(2, 6):
        day(number, behaviour="crash")
    pruned(config)
    assert judged in runs(config) and len(runs(config)) == 1 + 3 + 3


def test_rows_folders_and_the_store_itself_do_not_grow(config, day):
    store = Path(config.output) / config.name / "metadata.sqlite"
    sizes = []
    for week in range(4):
        for weekday in range(4):
            day(10 * week + weekday + 1)
        pruned(config)
        sizes.append((rows(config), len(folders(config)), len(runs(config))))
    assert sizes[1:] == sizes[:1] * 3
    assert store.stat().st_size < 1_000_000


def test_what_a_killed_prune_left_is_found_by_the_next(config, day, monkeypatch):
    for number in range(1, 6):
        day(number)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.prune.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            pruned(config)
    # Rows went first, so no row names a folder that is not there.
    with sqlite3.connect(Path(config.output) / config.name / "metadata.sqlite") as connection:
        assert all(Path(uri).exists() for (uri,) in connection.execute("SELECT uri FROM Artifact"))
    left = pruned(config)
    assert left and len(runs(config)) == 3
    artifacts = Path(config.output) / config.name / "artifacts"
    assert len(list(artifacts.glob("*/[!.]*/*"))) == rows(config)["Artifact"]


def test_unfinished_trainings_go_with_the_runs_that_left_them(config, day, tmp_path):
    import os

    trainings = tmp_path / "out" / "cache" / "training"
    # Another pipeline's are its own to remove.
    training, others = trainings / config.name, trainings / "other"
    for name in ("old", "new", "../other/old"):
        (training / name / "features").mkdir(parents=True)
        (training / name / "features" / "done.json").write_text("{}")
    for path in (*trainings.glob("*/old"), *trainings.glob("*/old/**/*")):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    day(1)
    (training / "new" / "features" / "done.json").touch()
    assert [removal.kind for removal in pruned(config)] == ["unfinished training"]
    assert [path.name for path in training.iterdir()] == ["new"] and (others / "old").is_dir()


def test_a_folder_that_is_no_run_stays_and_takes_no_runs_place(config, day):
    notes = [Path(config.output) / config.name / "runs" / name for name in ("0-my-notes", "zz-backup")]
    ids = [day(number) for number in range(1, 5)]
    for folder in notes:
        folder.mkdir()
    pruned(config)
    assert runs(config) == sorted([*ids[-3:], *(folder.name for folder in notes)])


def test_a_run_that_is_going_on_is_not_pruned(config, day):
    day(1)
    with alone(Path(config.output) / config.name), pytest.raises(AnotherRun, match="is running this pipeline"):
        pruned(config)


def test_a_store_of_another_version_is_left_alone(config, day):
    for number in range(1, 6):
        day(number)
    with sqlite3.connect(Path(config.output) / config.name / "metadata.sqlite") as connection:
        connection.execute("UPDATE MLMDEnv SET schema_version = 11")
    there = runs(config)
    with pytest.raises(StoreUnusable, match="must have the layout 10 of ML Metadata to be pruned; it has 11"):
        pruned(config)
    assert runs(config) == there


def test_what_was_moved_with_its_store_is_left_alone(config, day, tmp_path):
    for number in range(1, 6):
        day(number)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    moved = load(None, [f"output={tmp_path}/elsewhere", "retention.runs=3"])
    before = folders(moved)
    with pytest.raises(StoreUnusable, match="was moved"):
        pruned(moved)
    assert folders(moved) == before


def test_where_nothing_ran_nothing_is_removed(tmp_path):
    assert pruned(load(None, [f"output={tmp_path}/nowhere"])) == []


def test_served_versions_go_but_not_those_of_others(config, day, tmp_path):
    day(1)
    models = tmp_path / "out" / "digits" / "models"
    for number, manifest in ((1, {"fingerprint": "a", "files": {}}), (2, None), (3, {"fingerprint": "c", "files": {}})):
        (models / str(number) / "assets.extra").mkdir(parents=True)
        if manifest:
            path = models / str(number) / "assets.extra" / "frostgate_manifest.json"
            path.write_text(json.dumps(manifest))
    pruned(config)
    assert sorted(path.name for path in models.iterdir()) == ["2", "3"]
