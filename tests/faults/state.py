"""What an output folder says of itself, read without the code that is tried."""

import contextlib
import json
import re
import sqlite3
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from tests.faults.world import NAME, World

_MANIFEST = "assets.extra/frostgate_manifest.json"


@dataclass(frozen=True)
class Champion:
    """What the alias points to."""

    version: str
    decision: str
    fingerprint: str


def files_of(folder: Path) -> list[str]:
    """Every file below a folder, by its path in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def hash_of(folder: Path) -> str:
    """Of a model's files: names and contents."""
    parts = []
    for name in files_of(folder):
        if name != _MANIFEST:
            with (folder / name).open("rb") as file:
                parts.append(f"{name}:{file_digest(file, 'sha256').hexdigest()}")
    return sha256("\n".join(parts).encode()).hexdigest()


def versions(world: World) -> dict[int, str]:
    """Every folder that a model server would load: number -> hash of the model in it."""
    found = [path for path in (world.pipeline / "models").glob("*") if re.fullmatch("[1-9][0-9]*", path.name)]
    return {int(path.name): hash_of(path) for path in sorted(found, key=lambda path: int(path.name))}


def served(world: World) -> str | None:
    """The hash of the model that a server would load; None where there is none."""
    return next(reversed(versions(world).values()), None)


def champion(world: World) -> Champion | None:
    """What the registry's alias points to.

    Raises:
        sqlite3.Error: The database cannot be read.
    """
    database = world.pipeline / "mlflow.db"
    if not database.exists():
        return None
    with contextlib.closing(sqlite3.connect(database)) as connection:
        row = connection.execute(
            "SELECT version FROM registered_model_aliases WHERE alias = 'champion' AND name = ?", (NAME,)
        ).fetchone()
        if row is None:
            return None
        tags = dict(
            connection.execute("SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", (NAME, *row))
        )
    return Champion(str(row[0]), tags.get("frostgate.decision", ""), tags.get("frostgate.fingerprint", ""))


def ingested(world: World) -> dict[str, Any]:
    """The newest report of ingest: what was read, kept and rejected."""
    report = _newest(world.pipeline / "artifacts" / "ImageExampleGen" / "report") / "report.json"
    return {key: value for key, value in json.loads(report.read_text()).items() if key.startswith("num_")}


def judged(world: World) -> tuple[str, str, str]:
    """What the gate has just judged: the newest model's hash, its fingerprint in the verdict, the decision."""
    model = _newest(world.pipeline / "artifacts" / "Trainer" / "model") / "Format-Serving"
    told = _newest(world.pipeline / "artifacts" / "PushGate" / "verdict") / "verdict.json"
    verdict = json.loads(told.read_text())
    return hash_of(model), verdict["fingerprints"]["model"], verdict["decision"]


def _newest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: int(path.name))
