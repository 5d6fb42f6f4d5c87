"""A stand-in for the Kubeflow Model Registry server, built from its published API.

Every request must be one that the API declares: path, method, parameters, body. So must every answer. What the API
leaves open is as the server does it; docs/decisions/0011-kubeflow-model-registry.md names where that is written.
"""

import json
import re
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from tests.registry.published_api import Operation, faults_of, operations

Json = dict[str, Any]
PREFIX = "/api/model_registry/"
DESCRIBED = "v1"
_NAME_QUERY = re.compile(r"name = '([^']*)'")


@dataclass(frozen=True)
class Answer:
    """What the server says; a body that is text is no JSON."""

    status: int
    body: Json | str


class Refused(Exception):
    """A request that comes to nothing."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"code": code, "message": message})


def unknown(message: str) -> Refused:
    return Refused(404, "Not Found", f"{message}: not found")


@dataclass
class Fault:
    """What goes wrong, from which request on, and whether the server had done its work by then."""

    first: int
    moment: Literal["before", "after"] = "before"
    kind: Literal["drop", "status", "html", "nonsense", "slow"] = "drop"
    status: int = 500
    count: int = 10**9

    def hits(self, number: int) -> bool:
        return self.first <= number < self.first + self.count


@dataclass
class Store:
    """The server's database. Models and versions share their numbers, and what failed has used one up."""

    contexts: dict[str, Json] = field(default_factory=dict)
    artifacts: dict[str, Json] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: {"contexts": 0, "artifacts": 0})

    def create(self, table: str, made: Json, name: str, is_same: Callable[[Json], bool]) -> Json:
        self.used[table] += 1
        rows = getattr(self, table)
        if any(row["name"] == made["name"] and is_same(row) for row in rows.values()):
            raise Refused(409, "Conflict", f"{name} with name {made['name']} already exists: conflict")
        row: Json = {"customProperties": {}} | _decoded(made) | {"id": str(self.used[table])}
        row |= _times("create", "lastUpdate")
        rows[row["id"]] = row
        return row

    def patch(self, row: Json, update: Json, default_state: str) -> Json:
        # A field that is left out stays, but for the state; properties are replaced as a whole.
        row |= {"state": default_state} | _decoded(update) | _times("lastUpdate")
        return row

    def models(self) -> list[Json]:
        return [row for row in self.contexts.values() if "registeredModelId" not in row]

    def versions(self, model_id: str) -> list[Json]:
        return [row for row in self.contexts.values() if row.get("registeredModelId") == model_id]


class KubeflowServer:
    """The server and what it saw.

    Attributes:
        address: Where it listens.
        store: What it keeps.
        log: Every request it took, as "METHOD operation".
        violations: Whatever was not as the API has it; a test ends with none.
        tokens: The Authorization headers it saw.
        fault: What goes wrong.
        dialects: The paths that it knows.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.log: list[str] = []
        self.violations: list[str] = []
        self.tokens: list[str | None] = []
        self.fault: Fault | None = None
        self.dialects: tuple[str, ...] = ("v1", "v1alpha3")
        self.page_limit = 10**9
        self.between: Callable[[str], None] = lambda _: None
        self.released = threading.Event()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"server_of_ours": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"

    @contextmanager
    def running(self) -> "Iterator[KubeflowServer]":
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._http.shutdown()
            self._http.server_close()
            thread.join(10)

    def restart(self) -> None:
        """A new database at the same address."""
        self.store = Store()
        self.log.clear()

    def handle(self, method: str, target: str, body: bytes, token: str | None) -> Answer | None:
        """Answers a request; None: the line goes dead."""
        with self._lock:
            number = len(self.log) + 1
            self.log.append(f"{method} {target.partition('?')[0]}")
            self.tokens.append(token)
            fault = self.fault if self.fault and self.fault.hits(number) else None
        if fault and fault.moment == "before":
            return self._failed(fault)
        answer = self._answered(method, target, body)
        return self._failed(fault) if fault else answer

    def _failed(self, fault: Fault) -> Answer | None:
        if fault.kind == "slow":
            self.released.wait(60)
        if fault.kind == "status":
            return Answer(fault.status, {"code": "Internal Server Error", "message": "the database is away"})
        if fault.kind == "html":
            return Answer(fault.status, "<html><body>Please sign in</body></html>")
        if fault.kind == "nonsense":
            return Answer(200, {"items": "none", "colour": "blue"})
        return None

    def _answered(self, method: str, target: str, body: bytes) -> Answer:
        path, query = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        dialect, _, rest = path.removeprefix(PREFIX).partition("/")
        if not path.startswith(PREFIX) or dialect not in self.dialects:
            return Answer(404, "404 page not found\n")
        try:
            route = _route(method, f"{PREFIX}{DESCRIBED}/{rest}")
            document = self._checked(route, query, body)
            self.between(_camel(route.operation.name))
            with self._lock:
                answer = getattr(self, "_" + route.operation.name)(document, query, **route.names)
                answer = json.loads(json.dumps(answer))
        except Refused as refused:
            return refused.answer
        self._must_be("answer", route.operation.answer, answer)
        return Answer(route.operation.status, answer)

    def _checked(self, route: "_Route", query: Mapping[str, str], body: bytes) -> Json:
        for name, value in query.items():
            if name not in route.operation.query:
                self._violated(f"{route.operation.name}: no query parameter {name} is declared")
            self._must_be(name, route.operation.query[name], value)
        # The generated models take these for any text.
        for name, value in (*route.names.items(), ("pageSize", query.get("pageSize", "1"))):
            if not value.isdigit():
                self._violated(f"{route.operation.name}: {name} must be a number; received {value}")
        if route.operation.body is None:
            return {}
        document = json.loads(body)
        self._must_be("body", route.operation.body, document)
        return document

    def _must_be(self, what: str, kind: Any, value: Any) -> None:
        for fault in faults_of(what, kind, value):
            self._violated(fault)

    def _violated(self, text: str) -> None:
        self.violations.append(text)
        raise Refused(400, "Bad Request", text)

    def _page(self, rows: list[Json], query: Mapping[str, str]) -> Json:
        size = min(int(query.get("pageSize", 0)) or 10**9, self.page_limit)
        after = int(b64decode(query.get("nextPageToken", "")).decode().partition(":")[0] or 0)
        left = sorted((row for row in rows if int(row["id"]) > after), key=lambda row: int(row["id"]))
        last = left[size - 1]["id"] if len(left) > size else None
        token = b64encode(f"{last}:{last}".encode()).decode() if last else ""
        return {"items": left[:size], "nextPageToken": token, "pageSize": size % 10**9, "size": len(left[:size])}

    def _get_registered_models(self, _: Json, query: Mapping[str, str]) -> Json:
        rows = self.store.models()
        if "filterQuery" in query:
            asked = _NAME_QUERY.fullmatch(query["filterQuery"])
            if asked is None:
                raise Refused(400, "Bad Request", "invalid filter query syntax")
            # MySQL's usual collation does not tell capitals apart.
            rows = [row for row in rows if row["name"].lower() == asked[1].lower()]
        return self._page(rows, query)

    def _create_registered_model(self, document: Json, _: Mapping[str, str]) -> Json:
        made = {"state": "LIVE"} | document
        return self.store.create("contexts", made, "registered model", lambda row: "registeredModelId" not in row)

    def _update_registered_model(self, document: Json, _: Mapping[str, str], registered_model_id: str) -> Json:
        return self.store.patch(self._context(registered_model_id, "registered model"), document, "LIVE")

    def _get_registered_model_versions(self, _: Json, query: Mapping[str, str], registered_model_id: str) -> Json:
        rows = self.store.versions(registered_model_id)
        return self._page([row for row in rows if query.get("name", row["name"]) == row["name"]], query)

    def _create_model_version(self, document: Json, _: Mapping[str, str]) -> Json:
        owner = document["registeredModelId"]
        made = {"state": "LIVE"} | document
        return self.store.create("contexts", made, "model version", lambda row: row.get("registeredModelId") == owner)

    def _get_model_version(self, _: Json, __: Mapping[str, str], model_version_id: str) -> Json:
        return self._context(model_version_id, "model version")

    def _update_model_version(self, document: Json, _: Mapping[str, str], model_version_id: str) -> Json:
        return self.store.patch(self._context(model_version_id, "model version"), document, "LIVE")

    def _get_model_version_artifacts(self, _: Json, query: Mapping[str, str], model_version_id: str) -> Json:
        rows = [row for row in self.store.artifacts.values() if self.store.owners[row["id"]] == model_version_id]
        kind = query.get("artifactType")
        return self._page([row for row in rows if kind in (None, row["artifactType"])], query)

    def _upsert_model_version_artifact(self, document: Json, _: Mapping[str, str], model_version_id: str) -> Json:
        self._context(model_version_id, "model version")
        owners = self.store.owners
        made = self.store.create(
            "artifacts", {"state": "UNKNOWN"} | document, "model artifact",
            lambda row: owners[row["id"]] == model_version_id,
        )  # fmt: skip
        owners[made["id"]] = model_version_id
        return made

    def _update_model_artifact(self, document: Json, _: Mapping[str, str], model_artifact_id: str) -> Json:
        return self.store.patch(self.store.artifacts[model_artifact_id], document, "UNKNOWN")

    def _context(self, number: str, kind: str) -> Json:
        row = self.store.contexts.get(number)
        if row is None or ("registeredModelId" in row) != (kind == "model version"):
            raise unknown(f"no {kind} found for id {number}")
        return row


@dataclass(frozen=True)
class _Route:
    operation: Operation
    names: dict[str, str]


def _route(method: str, path: str) -> _Route:
    for operation in operations():
        names = operation.names(method, path)
        if names is not None:
            return _Route(operation, names)
    raise Refused(405, "Method Not Allowed", f"{method} {path}")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _decoded(document: Json) -> Json:
    """A struct is taken as base64 and given as JSON."""
    properties = {key: dict(value) for key, value in document.get("customProperties", {}).items()}
    for key, value in properties.items():
        if "struct_value" in value:
            try:
                value["struct_value"] = b64decode(value["struct_value"], validate=True).decode()
            except ValueError:
                raise Refused(400, "Bad Request", f"unable to decode illegal base64 data for key {key}") from None
    return document | ({"customProperties": properties} if "customProperties" in document else {})


def _times(*names: str) -> Json:
    return {f"{name}TimeSinceEpoch": str(time.time_ns() // 1_000_000) for name in names}


class _Handler(BaseHTTPRequestHandler):
    server_of_ours: ClassVar[KubeflowServer]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server_of_ours.handle(self.command, self.path, body, self.headers.get("Authorization"))
        self.close_connection = True
        if answer is None:
            return
        is_text = isinstance(answer.body, str)
        content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        kind = "text/plain" if is_text and answer.status == 404 else "text/html" if is_text else "application/json"
        self.send_response(answer.status)
        self.send_header("Content-Type", f"{kind}; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _serve

    def log_message(self, *_: Any) -> None:
        pass
