"""Runs that nothing happens to: how the output folder is between their steps, and what they come to."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from tests.faults import state
from tests.faults.processes import Process
from tests.faults.world import Step, Story, World

END: Final = "end"
# Story -> how it has to end, or nothing that is found below means anything.
_ENDS: Final = {"first": "pushed", "good": "pushed", "bad": "blocked"}


def tell(world: World, say: Callable[[str], None]) -> None:
    """Makes every moment that is not there yet."""
    if not world.told("bad").exists():
        shutil.rmtree(world.root, ignore_errors=True)
        world.root.mkdir(parents=True)
        world.write_data()
        for name in _ENDS:
            say(f"a run that nothing happens to: {name}")
            _tell_one(world, name)


def _tell_one(world: World, name: str) -> None:
    shutil.rmtree(world.output, ignore_errors=True)
    world.output.mkdir()
    if name != "first":
        world.put_back("first", END)
    process = Process.run(world, world.settings(name), before=lambda node: world.keep(name, node))
    ended = process.wait()
    summary = ended.summary
    assert summary is not None and summary["status"] == _ENDS[name], (ended.error, summary)
    world.keep(name, END)
    seconds = {node["id"]: node["seconds"] for node in summary["nodes"]}
    done = [node["id"] for node in summary["nodes"] if node["status"] == "done"]
    for node in seconds.keys() - set(done):
        shutil.rmtree(world.moment(name, node))
    store = MetadataStore(sqlite_metadata_connection_config(str(world.pipeline / "metadata.sqlite")))
    steps = tuple(_step(world, store, node, seconds[node]) for node in done)
    story = Story(
        settings=world.settings(name),
        status=summary["status"],
        exit_code=summary["exit_code"],
        steps=steps,
        counts=state.ingested(world),
        served=state.served(world) or "",
        judged=state.judged(world),
    )
    world.told(name).write_text(story.text())
    shutil.rmtree(world.output)


def _step(world: World, store: MetadataStore, node: str, seconds: float) -> Step:
    (context,) = (one for one in store.get_contexts_by_type("node") if one.name.endswith(f".{node}"))
    execution = max(store.get_executions_by_context(context.id), key=lambda one: one.id)
    read = {below(world, uri): writer for uri, writer in _artifacts(store, execution.id, mlmd.Event.INPUT)}
    wrote = {
        below(world, uri): state.files_of(Path(uri)) for uri, _ in _artifacts(store, execution.id, mlmd.Event.OUTPUT)
    }
    return Step(node, seconds, read, wrote)


def _artifacts(store: MetadataStore, execution: int, kind: "mlmd.Event.Type") -> Iterator[tuple[str, str]]:
    """Yields the addresses of what an execution read or wrote, and the node that wrote it."""
    for event in store.get_events_by_execution_ids([execution]):
        if event.type == kind:
            (artifact,) = store.get_artifacts_by_id([event.artifact_id])
            yield artifact.uri, Path(artifact.uri).parts[-3]


def below(world: World, uri: str) -> str:
    """An address relative to the output folder."""
    return str(Path(uri).relative_to(world.output))
