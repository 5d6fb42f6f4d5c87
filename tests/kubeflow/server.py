"""A Kubeflow Pipelines API server in this process: the REST calls that the official client makes, and their faults.

Every body is read with the client's own models, which are generated from the published interface; a field that the
interface does not know fails the request with 400, as the real server does.
"""

import itertools
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import kfp_server_api

from tests.servers import answering

Json = dict[str, Any]


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Json
    headers: dict[str, str]


@dataclass
class Fault:
    """What to answer instead, `times` times, to requests whose method and path match."""

    match: str
    status: int = 500
    times: int = 1
    message: str = "something broke"
    before: Callable[[], None] = lambda: None
    delay_seconds: float = 0.0
    page: str = ""
    """Is sent as HTML instead of JSON."""


@dataclass
class Server:
    """What the server keeps, and everything that it was asked."""

    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    pipelines: list[Json] = field(default_factory=list)
    versions: list[Json] = field(default_factory=list)
    experiments: list[Json] = field(default_factory=list)
    runs: list[Json] = field(default_factory=list)
    recurring: list[Json] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    """States of a run, one for each time somebody asks; the last stays."""
    workflow: str = ""
    """JSON of a run's Argo workflow, which the older interface shows."""
    url: str = ""
    ids: Iterator[int] = field(default_factory=itertools.count)

    def made(self, method: str, part: str) -> list[Request]:
        return [one for one in self.requests if one.method == method and part in one.path]

    def answer(self, request: Request) -> tuple[int, Json | str]:
        self.requests.append(request)
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.match, f"{request.method} {request.path}"):
                fault.times -= 1
                fault.before()
                time.sleep(fault.delay_seconds)
                if fault.page:
                    return fault.status, fault.page
                return fault.status, {"error": fault.message, "message": fault.message, "code": 13, "details": []}
        path = request.path.removeprefix("/apis/v2beta1/")
        for pattern, method, handler in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                return handler(self, request, *found.groups())
        return 404, {"message": f"no route for {request.method} {request.path}"}

    def new_id(self) -> str:
        return f"id-{next(self.ids)}"


def _page(key: str, items: list[Json], request: Request) -> tuple[int, Json]:
    for predicate in json.loads(request.query.get("filter") or "{}").get("predicates", []):
        # By name or, as the client has it, by number.
        holds = {"EQUALS": str.__eq__, 1: str.__eq__, "IS_SUBSTRING": str.__contains__}[predicate["operation"]]
        items = [one for one in items if holds(one[predicate["key"]], predicate["stringValue"])]
    if request.query.get("sort_by") == "created_at desc":
        items = sorted(items, key=lambda one: one["created_at"], reverse=True)
    start, size = int(request.query.get("page_token") or 0), int(request.query.get("page_size") or 10)
    answer: Json = {key: items[start : start + size], "total_size": len(items)}
    if start + size < len(items):
        answer["next_page_token"] = str(start + size)
    return 200, {name: value for name, value in answer.items() if value}


def _made(server: Server, kept: list[Json], key: str, model: str, request: Request, **more: Any) -> tuple[int, Json]:
    known = getattr(kfp_server_api, model).attribute_map.values()
    if unknown := set(request.body) - set(known):
        return 400, {"message": f"unknown fields {unknown}"}
    one = {**request.body, key: server.new_id(), "created_at": "2026-01-01T00:00:00Z", **more}
    kept.append(one)
    return 200, one


def _create_pipeline(server: Server, request: Request) -> tuple[int, Json]:
    if any(one["display_name"] == request.body["display_name"] for one in server.pipelines):
        return 409, {"message": "already exists"}
    return _made(server, server.pipelines, "pipeline_id", "V2beta1Pipeline", request)


def _upload_version(server: Server, request: Request) -> tuple[int, Json]:
    name, pipeline = request.query["name"], request.query["pipelineid"]
    if any(one["display_name"] == name and one["pipeline_id"] == pipeline for one in server.versions):
        return 409, {"message": "already exists"}
    one = {"display_name": name, "pipeline_id": pipeline, "pipeline_version_id": server.new_id()}
    one["created_at"] = f"2026-01-01T00:00:{len(server.versions):02}Z"
    server.versions.append(one)
    return 200, one


def _get_run(server: Server, request: Request, run_id: str) -> tuple[int, Json]:
    run = next((one for one in server.runs if one["run_id"] == run_id), None)
    if run is None:
        return 404, {"message": f"run {run_id} not found"}
    if "state" in run:
        return 200, run
    state = server.history.pop(0) if len(server.history) > 1 else server.history[0]
    return 200, {**run, **state}


def _get_run_with_workflow(server: Server, request: Request, run_id: str) -> tuple[int, Json]:
    runtime = {"pipeline_manifest": "{}"} | ({"workflow_manifest": server.workflow} if server.workflow else {})
    return 200, {"run": {"id": run_id}, "pipeline_runtime": runtime}


def _list_runs(server: Server, request: Request) -> tuple[int, Json]:
    experiment = request.query.get("experiment_id")
    return _page("runs", [one for one in server.runs if experiment in (None, one["experiment_id"])], request)


def _switch(server: Server, request: Request, one_id: str, action: str) -> tuple[int, Json]:
    for one in server.recurring:
        if one["recurring_run_id"] == one_id:
            one["status"] = {"enable": "ENABLED", "disable": "DISABLED"}[action]
            return 200, {}
    return 404, {"message": "not found"}


def _delete(server: Server, request: Request, one_id: str) -> tuple[int, Json]:
    before = len(server.recurring)
    server.recurring[:] = [one for one in server.recurring if one["recurring_run_id"] != one_id]
    return (200, {}) if len(server.recurring) < before else (404, {"message": "not found"})


def _create_recurring(server: Server, request: Request) -> tuple[int, Json]:
    return _made(
        server,
        server.recurring,
        "recurring_run_id",
        "V2beta1RecurringRun",
        request,
        status="ENABLED",
        service_account=request.body.get("service_account", "pipeline-runner"),
    )


_ROUTES: list[tuple[str, str, Callable[..., tuple[int, Json]]]] = [
    ("healthz", "GET", lambda server, request: (200, {"multi_user": False})),
    ("pipelines", "GET", lambda server, request: _page("pipelines", server.pipelines, request)),
    ("pipelines", "POST", _create_pipeline),
    ("pipelines/upload_version", "POST", _upload_version),
    (
        "pipelines/([^/]+)/versions",
        "GET",
        lambda server, request, pipeline: _page(
            "pipeline_versions", [one for one in server.versions if one["pipeline_id"] == pipeline], request
        ),
    ),
    ("experiments", "GET", lambda server, request: _page("experiments", server.experiments, request)),
    (
        "experiments",
        "POST",
        lambda server, request: _made(server, server.experiments, "experiment_id", "V2beta1Experiment", request),
    ),
    ("runs", "POST", lambda server, request: _made(server, server.runs, "run_id", "V2beta1Run", request)),
    ("runs", "GET", _list_runs),
    ("runs/([^/:]+)", "GET", _get_run),
    ("/apis/v1beta1/runs/([^/:]+)", "GET", _get_run_with_workflow),
    ("recurringruns", "GET", lambda server, request: _page("recurringRuns", server.recurring, request)),
    ("recurringruns", "POST", _create_recurring),
    ("recurringruns/([^/:]+):(enable|disable)", "POST", _switch),
    ("recurringruns/([^/:]+)", "DELETE", _delete),
]


@contextmanager
def serving() -> Iterator[Server]:
    """Serves on a free port of the loopback."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_json = (self.headers.get("Content-Type") or "").startswith("application/json")
            body = json.loads(raw) if raw and is_json else {"raw": raw.decode(errors="replace")} if raw else {}
            query = dict(urllib.parse.parse_qsl(parts.query))
            status, answer = server.answer(Request(self.command, parts.path, query, body, dict(self.headers)))
            is_page = isinstance(answer, str)
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if is_page else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _handle

        def log_message(self, *args: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    with answering(listening) as server.url:
        yield server
