"""Runs each test file in a process forked from one that has imported everything.

What TensorFlow compiled for a file's models goes with the file's process; a process that runs all files grows to nine
gigabytes. A fork costs no import of TFX, which takes seven seconds. Only the processes of pytest-xdist fork, so that a
debugger works in a run without it.
"""

import gc
import importlib
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import pytest

# A child imports what is missing here anew for every file.
_PRELOADED = (
    "pipeline.training",
    "pipeline.watching",
    "pipeline.runners.local",
    "pipeline.runners.kubeflow.compiling",
    "pipeline.runners.kubeflow.step",
    "keras",
    "mlflow",
)


class ForkedFiles:
    """A plugin of a process that runs tests."""

    def __init__(self) -> None:
        self._child: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Imports once what most files need."""
        if any(item.get_closest_marker(name) for item in session.items for name in ("tfx", "engine")):
            for name in _PRELOADED:
                importlib.import_module(name)
        # What is alive now is no garbage; a collection that walks it would have every child copy it.
        gc.collect()
        gc.freeze()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Has a test run by its file's process, and reports what that process says of it."""
        if self._child is None:
            self._fork(item.session)
        is_last = nextitem is None or nextitem.path != item.path
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._run(item, None if is_last else nextitem):
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if is_last:
            self._end()
        return True

    def _fork(self, session: pytest.Session) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        # TensorFlow writes a file for every function that it compiles, and removes it in an exit handler.
        self._scratch = tempfile.TemporaryDirectory(prefix="frostgate-", ignore_cleanup_errors=True)
        arguments = (session, theirs, self._connection, self._scratch.name)
        self._child = multiprocessing.get_context("fork").Process(target=_serve, args=arguments)
        self._child.start()
        theirs.close()

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> Sequence[pytest.TestReport]:
        assert self._connection is not None and self._child is not None
        try:
            self._connection.send((item.nodeid, following and following.nodeid))
            documents = self._connection.recv()
        except (EOFError, BrokenPipeError):
            self._child.join()
            reason = f"the process of {item.path.name} ended with code {self._child.exitcode}"
            self._end()
            call = pytest.CallInfo.from_call(lambda: pytest.fail(reason, pytrace=False), "call")
            return [pytest.TestReport.from_item_and_call(item, call)]
        hook = item.config.hook
        return [hook.pytest_report_from_serializable(config=item.config, data=document) for document in documents]

    def _end(self) -> None:
        if self._connection is not None and self._child is not None:
            self._connection.close()
            self._child.join()
        if self._scratch is not None:
            self._scratch.cleanup()
        self._connection = self._child = self._scratch = None


class _Reports:
    """A plugin that keeps what is said of the test that runs."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.kept.append(report)


def _serve(session: pytest.Session, connection: Connection, parents: Connection, scratch: str) -> None:
    """Runs the tests that it is sent until the other end is closed; temporary files of theirs are in `scratch`."""
    parents.close()
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    reports = _Reports()
    plugins = session.config.pluginmanager
    for plugin in plugins.get_plugins():
        # Only the parent talks to the process that distributes the tests. xdist's class is of no importable module.
        if isinstance(plugin, ForkedFiles) or type(plugin).__name__ == "WorkerInteractor":
            plugins.unregister(plugin)
    plugins.register(reports)
    hook = session.config.hook
    items: dict[str | None, pytest.Item | None] = {item.nodeid: item for item in session.items} | {None: None}
    while True:
        try:
            nodeid, following = connection.recv()
        except EOFError:
            # Neither the session's end nor the parent's exit handlers are this process's business.
            os._exit(0)
        reports.kept.clear()
        hook.pytest_runtest_protocol(item=items[nodeid], nextitem=items[following])
        connection.send(
            [hook.pytest_report_to_serializable(config=session.config, report=kept) for kept in reports.kept]
        )
