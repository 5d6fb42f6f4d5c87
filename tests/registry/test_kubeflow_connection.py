"""How a Kubeflow Model Registry is reached: its two dialects, its token, and one sentence for whatever goes wrong."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal

import pytest

from components.errors import DataRefused
from components.registry import kubeflow_connection
from components.registry.kubeflow_registry import KubeflowRegistry
from components.registry.opening import existing_registry
from components.registry.protocol import RegistryUnavailable
from components.registry.settings import RegistrySettings
from tests.registry.kubeflow_server import PREFIX, Fault, KubeflowServer


@pytest.mark.parametrize("dialects", [("v1",), ("v1alpha3",), ("v1", "v1alpha3")])
def test_old_and_new_servers_are_understood(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, dialects: tuple[str, ...]
) -> None:
    kubeflow_server.dialects = dialects
    registry = KubeflowRegistry(kubeflow_settings)
    assert registry.champion() is None and registry.versions() == []
    path = f"{PREFIX}%s/registered_models"
    first = [f"GET {path % dialect}" for dialect in ("v1", "v1alpha3") if dialect in ("v1", dialects[0])]
    assert kubeflow_server.log == [*first, f"GET {path % dialects[0]}"]


@pytest.mark.parametrize(
    ("kind", "status", "reason", "requests"),
    [
        # The library's own library asks twice at once when a line goes dead.
        ("drop", 0, "Server disconnected", 10),
        ("status", 500, "500 the database is away", 5),
        ("status", 503, "503 the database is away", 5),
        ("status", 429, "429 Too Many Requests", 5),
        ("status", 400, "400 the database is away", 1),
        ("status", 401, "401 .*; name a file with its token in KF_PIPELINES_SA_TOKEN_PATH", 1),
        ("html", 403, "403 Forbidden; name a file", 1),
        ("html", 502, "502 Bad Gateway", 5),
        # A login page.
        ("html", 200, "its answer is not one of a Model Registry", 1),
        ("nonsense", 200, "its answer is not one of a Model Registry", 1),
    ],
)
def test_what_goes_wrong_is_one_sentence_after_bounded_attempts(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings,
    kind: Literal["drop", "status", "html", "nonsense"], status: int, reason: str, requests: int,
) -> None:  # fmt: skip
    kubeflow_server.fault = Fault(1, "before", kind, status)
    with pytest.raises(RegistryUnavailable) as caught:
        KubeflowRegistry(kubeflow_settings).versions()
    said = str(caught.value)
    assert said.startswith(f"the model registry at {kubeflow_server.address} did not do what was asked (")
    assert "\n" not in said and "do the same again when the registry works" in said
    caught.match(reason)
    assert len(kubeflow_server.log) == requests


def test_a_server_that_never_answers_is_given_up(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeflow_connection, "_TIMEOUT_SECONDS", 0.1)
    kubeflow_server.fault = Fault(1, "before", "slow")
    with pytest.raises(RegistryUnavailable, match=r"\(it did not answer within 0.1 seconds\)"):
        KubeflowRegistry(kubeflow_settings).champion()
    assert len(kubeflow_server.log) == 5


def test_a_server_that_is_down_is_named_without_its_password(
    kubeflow_settings: RegistrySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    # Port 9 is discard; nothing listens there.
    settings = kubeflow_settings.model_copy(update={"uri": "http://user:canary@127.0.0.1:9/"})
    with pytest.raises(
        RegistryUnavailable, match=r"registry at http://127\.0\.0\.1:9/ did not.*Cannot connect"
    ) as caught:
        KubeflowRegistry(settings).champion()
    assert "canary" not in str(caught.value) + capsys.readouterr().err


def test_an_address_with_something_else_behind_it_is_no_empty_registry(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings
) -> None:
    kubeflow_server.dialects = ()
    with pytest.raises(RegistryUnavailable, match=r"\(there is no Model Registry at that address\)"):
        KubeflowRegistry(kubeflow_settings).champion()


def test_a_list_without_end_is_given_up(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = {"items": [], "nextPageToken": "MTox", "pageSize": 100, "size": 0}
    monkeypatch.setattr(kubeflow_server, "_page", lambda *_: page)
    with pytest.raises(RegistryUnavailable, match="it gives the same page again"):
        KubeflowRegistry(kubeflow_settings).champion()


def test_the_token_is_the_one_of_the_pod_or_the_one_that_is_named(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "pods").write_text("pods\n")
    (tmp_path / "mine").write_text("mine\n")
    monkeypatch.setattr(kubeflow_connection, "_POD_TOKEN_FILE", tmp_path / "none")
    KubeflowRegistry(kubeflow_settings).champion()
    monkeypatch.setattr(kubeflow_connection, "_POD_TOKEN_FILE", tmp_path / "pods")
    KubeflowRegistry(kubeflow_settings).champion()
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "mine"))
    KubeflowRegistry(kubeflow_settings).champion()
    assert kubeflow_server.tokens == [None, "Bearer pods", "Bearer mine"]
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "absent"))
    with pytest.raises(DataRefused, match=r"KF_PIPELINES_SA_TOKEN_PATH must name a file .*absent cannot be read"):
        KubeflowRegistry(kubeflow_settings)


@pytest.mark.parametrize("missing", [{"uri": ""}, {"storage": ""}, {"model_name": ""}, {"model_name": "../up"}])
def test_a_registry_that_is_not_told_enough_is_refused(
    kubeflow_settings: RegistrySettings, missing: dict[str, str]
) -> None:
    with pytest.raises(DataRefused, match="needs a uri, a storage, and a model name of letters"):
        KubeflowRegistry(kubeflow_settings.model_copy(update=missing))


def test_opening_a_registry_asks_nothing(kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings) -> None:
    assert isinstance(existing_registry(kubeflow_settings), KubeflowRegistry)
    assert kubeflow_server.log == []


def test_who_has_another_registry_does_not_import_the_client() -> None:
    code = "import sys, components.registry.opening; sys.exit('mr_openapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "registered_models", {"name": "a", "champion": "1"}),
        ("POST", "registered_models", {}),
        ("POST", "registered_models", {"name": "a", "state": "ALIVE"}),
        ("POST", "registered_models", {"name": "a", "customProperties": {"k": "v"}}),
        ("POST", "model_versions", {"name": "a", "registeredModelId": "one"}),
        ("POST", "model_versions/2/artifacts", {"artifactType": "model-artifact", "name": "a", "files": []}),
        ("GET", "registered_models?name=a", None),
        ("GET", "registered_models?pageSize=all", None),
        ("GET", "model_versions/v1", None),
    ],
)
def test_the_stand_in_takes_nothing_that_is_not_in_the_published_api(method: str, path: str, body: dict | None) -> None:
    with KubeflowServer().running() as server:
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{server.address}{PREFIX}v1/{path}", content, method=method)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request, timeout=10)
        assert len(server.violations) == 1
