"""Applying a manifest to a cluster, through the official client and the user's own kubeconfig."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from components.errors import DataRefused
from components.foreign import json_text
from components.kserve.errors import ClusterUnavailable
from components.kserve.manifest import GROUP, PLURAL, VERSION, InferenceService

FIELD_MANAGER: Final = "frostgate"
_TIMEOUT_SECONDS: Final = (5.0, 30.0)  # To connect, to answer.
_DEFAULT_NAMESPACE: Final = "default"


def apply(service: InferenceService, dry_run: bool) -> dict[str, Any]:
    """Applies a manifest on the server's side; fields that others own are taken over where the manifest names them.

    Args:
        service: What is to hold.
        dry_run: Whether the server is to check and answer as usual, and to keep nothing.

    Returns:
        The object as the server holds it, or would.

    Raises:
        DataRefused: There is no kubeconfig, the storage uri is not known, or the server refuses.
        ClusterUnavailable: The server does not answer.
    """
    if not service.is_complete:
        raise DataRefused(
            "kserve.storage_uri must say what the cluster sees of push.destination before a manifest is applied; it is "
            "empty. Set it, as in --set kserve.storage_uri=pvc://CLAIM/FOLDER."
        )
    api, namespace = _connected(service.metadata.namespace)
    document = service.document()
    document["metadata"]["namespace"] = namespace
    query = [("fieldManager", FIELD_MANAGER), ("force", "true")] + ([("dryRun", "All")] if dry_run else [])
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{service.metadata.name}"
    with _told(api.configuration.host, namespace):
        # The client's own method for custom objects cannot ask for a server-side apply.
        return api.call_api(
            path,
            "PATCH",
            query_params=query,
            header_params={"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
            body=document,
            response_type="object",
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _request_timeout=_TIMEOUT_SECONDS,
        )


def _connected(namespace: str | None) -> tuple[client.ApiClient, str]:
    """Finds the cluster and the namespace as kubectl does."""
    settings = client.Configuration()
    try:
        config.load_kube_config(client_configuration=settings)
        context = config.list_kube_config_contexts()[1]["context"]
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise DataRefused(
            f"There is no usable kubeconfig ({' '.join(str(error).split())}). KUBECONFIG names another file; "
            "`kubectl config view` shows what there is."
        ) from error
    settings.retries = False
    return client.ApiClient(settings), namespace or context.get("namespace") or _DEFAULT_NAMESPACE


@contextlib.contextmanager
def _told(host: str, namespace: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise _refusal(error, host, namespace) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ClusterUnavailable(f"The cluster at {host} does not answer ({error}); nothing was applied.") from error


def _refusal(error: ApiException, host: str, namespace: str) -> Exception:
    if error.status in (0, 408, 429) or error.status >= 500:
        return ClusterUnavailable(
            f"The cluster at {host} could not apply the manifest ({_message(error)}); try again later."
        )
    advice = {
        401: "Log in again; the kubeconfig's credentials are not accepted.",
        403: f"Ask for the right to patch {PLURAL}.{GROUP} in the namespace {namespace}.",
        404: f"Install KServe, and make the namespace {namespace}; one of them is missing.",
    }
    return DataRefused(
        f"The cluster at {host} refused the manifest: {_message(error).rstrip('.')}. "
        f"{advice.get(error.status, 'Correct the settings under kserve.')}"
    )


def _message(error: ApiException) -> str:
    try:
        said = json_text.parse(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        said = error.reason or f"status {error.status}"
    return " ".join(str(said).split())
