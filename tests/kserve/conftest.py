"""What KServe takes of an InferenceService, and an API server that holds these and nothing else."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml

TOKEN = "the-users-token"
_PATH = "/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/"


_TEXT, _TEXTS, _WHOLE = {"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "integer"}
_YES_OR_NO = {"type": "boolean"}
_AMOUNTS = {
    "type": "object",
    "additionalProperties": {"type": ["string", "integer"], "pattern": r"^\d+(\.\d+)?(m|[KMGT]i?)?$"},
}


def _fields(required: tuple[str, ...] = (), /, **fields: Any) -> dict[str, Any]:
    """An object of these fields and no others, as the API server's strict validation has it."""
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """Fields and types of an InferenceService, v1beta1, as far as they are written."""
    model = _fields(
        args=_TEXTS,
        command=_TEXTS,
        image=_TEXT,
        modelFormat=_fields(("name",), name=_TEXT, version=_TEXT),
        name=_TEXT,
        protocolVersion=_TEXT,
        resources=_fields(limits=_AMOUNTS, requests=_AMOUNTS),
        runtime=_TEXT,
        runtimeVersion=_TEXT,
        securityContext=_fields(
            allowPrivilegeEscalation=_YES_OR_NO,
            capabilities=_fields(add=_TEXTS, drop=_TEXTS),
            readOnlyRootFilesystem=_YES_OR_NO,
            runAsNonRoot=_YES_OR_NO,
            runAsUser=_WHOLE,
            seccompProfile=_fields(("type",), type=_TEXT),
        ),
        storageUri=_TEXT,
    )
    predictor = _fields(
        automountServiceAccountToken=_YES_OR_NO,
        canaryTrafficPercent=_WHOLE,
        maxReplicas=_WHOLE,
        minReplicas=_WHOLE,
        model=model,
        serviceAccountName=_TEXT,
    )
    spec = _fields(("predictor",), predictor=predictor)
    return _fields(("spec",), apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=spec)


@dataclass
class Cluster:
    """A cluster's API server: what it holds, what it was asked, and how it fails."""

    schema: dict[str, Any]
    namespaces: tuple[str, ...] = ("default", "models")
    held: dict[str, dict] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    failure: tuple[int, str] | None = None
    address: str = ""

    def answer(self, address: str, headers: dict[str, str], body: dict) -> tuple[int, dict]:
        parts = urlsplit(address)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query))
        if self.failure:
            return _status(*self.failure)
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized")
        if headers.get("content-type") != "application/apply-patch+yaml" or "fieldManager" not in query:
            return _status(415, "the body of the request was in an unknown format")
        namespace = next((one for one in self.namespaces if parts.path.startswith(_PATH.format(namespace=one))), None)
        if namespace is None:
            return _status(404, "the server could not find the requested resource")
        try:
            jsonschema.validate(body, self.schema)
        except jsonschema.ValidationError as error:
            return _status(422, f"InferenceService is invalid: {error.message}")
        if "dryRun" not in query:
            self.held[f"{namespace}/{parts.path.rpartition('/')[2]}"] = body
        return 200, body


def _status(code: int, message: str) -> tuple[int, dict]:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


@pytest.fixture
def cluster(schema: dict[str, Any]) -> Iterator[Cluster]:
    """A running API server, stopped at the end."""
    made = Cluster(schema)

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code, document = made.answer(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's kubeconfig, whose current context has a namespace."""
    path = tmp_path / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "local", "user": "me", "namespace": "models"}}],
        "clusters": [{"name": "local", "cluster": {"server": cluster.address}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
    }
    path.write_text(yaml.safe_dump(document))
    # The client reads KUBECONFIG once, when it is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    return path
