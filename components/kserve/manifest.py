"""The champion as KServe's InferenceService; pure.

KServe mounts what `storageUri` names at /mnt/models; TensorFlow Serving wants numbered folders and serves the highest.
The manifest therefore names one version's folder, and the server is started on a folder in which that version's number
leads to it: docs/decisions/0013-kserve.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.kserve.settings import NAME_LENGTH, KServeSettings

GROUP: Final = "serving.kserve.io"
VERSION: Final = "v1beta1"
PLURAL: Final = "inferenceservices"
# No scheme of KServe's: its webhook refuses the manifest where it would otherwise serve something else.
UNKNOWN: Final = "unknown://set-kserve.storage_uri"

_VERSIONS: Final = "/tmp/versions"
_PREFIX: Final = "frostgate/"
_GPU_TAG: Final = "-gpu"


@dataclass(frozen=True)
class Served:
    """Which model a manifest is about.

    Attributes:
        number: Of its folder in the push destination.
        registered: Its version in the registry.
        fingerprint: Hex sha256 of its SavedModel.
        run_key: What its run was made of.
        decision: The gate's.
        is_rollback: Whether it was brought back in place of a champion that was taken back.
    """

    number: int
    registered: str
    fingerprint: str
    run_key: str
    decision: str
    is_rollback: bool = False


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _Metadata(_Part):
    name: str
    namespace: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class _ModelFormat(_Part):
    name: Literal["tensorflow"] = "tensorflow"


class _Resources(_Part):
    requests: Mapping[str, str]
    limits: Mapping[str, str]


class _Capabilities(_Part):
    drop: tuple[Literal["ALL"]] = ("ALL",)


class _SeccompProfile(_Part):
    type: Literal["RuntimeDefault"] = "RuntimeDefault"


class _SecurityContext(_Part):
    """What Pod Security calls restricted; which user serves, the runtime says."""

    allow_privilege_escalation: Literal[False] = False
    capabilities: _Capabilities = _Capabilities()
    run_as_non_root: Literal[True] = True
    seccomp_profile: _SeccompProfile = _SeccompProfile()


class _Model(_Part):
    model_format: _ModelFormat = _ModelFormat()
    runtime: str
    runtime_version: str
    storage_uri: str = Field(pattern="^(pvc|s3|gs|unknown)://.+/[1-9][0-9]*/?$")
    command: tuple[str, ...]
    resources: _Resources
    security_context: _SecurityContext = _SecurityContext()


class _Predictor(_Part):
    min_replicas: int
    max_replicas: int
    canary_traffic_percent: int | None = Field(ge=0, lt=100)
    service_account_name: str | None
    # Who serves a model asks Kubernetes nothing; a cloud's credentials are mounted apart.
    automount_service_account_token: Literal[False] = False
    model: _Model


class _Spec(_Part):
    predictor: _Predictor


class InferenceService(_Part):
    """What is written and applied, as far as frostgate says anything."""

    api_version: Literal["serving.kserve.io/v1beta1"] = "serving.kserve.io/v1beta1"
    kind: Literal["InferenceService"] = "InferenceService"
    metadata: _Metadata
    spec: _Spec

    @property
    def is_complete(self) -> bool:
        """Whether it says where the model is."""
        return not self.spec.predictor.model.storage_uri.startswith(UNKNOWN)

    def document(self) -> dict:
        """Returns it as Kubernetes spells it; what was not said is absent."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


def service_name(settings: KServeSettings, pipeline: str) -> str:
    """Returns the service's name: KServe's begin with a letter and leave room for what Knative appends."""
    name = settings.name or (pipeline if pipeline[0].isalpha() else f"model-{pipeline}")
    return name[:NAME_LENGTH].rstrip("-")


def manifest(settings: KServeSettings, served: Served) -> InferenceService:
    """Builds the manifest of a champion.

    Args:
        settings: With the name filled in, and the storage uri where it is known.
        served: The champion.

    Returns:
        A service that serves this version and no other, whatever is pushed beside it.
    """
    # A rollback that most requests do not see would be none.
    canary = None if settings.canary_percent == 100 or served.is_rollback else settings.canary_percent
    predictor = _Predictor(
        min_replicas=settings.min_replicas,
        max_replicas=settings.max_replicas,
        canary_traffic_percent=canary,
        service_account_name=settings.service_account or None,
        model=_Model(
            runtime=settings.runtime,
            runtime_version=_tag(settings),
            storage_uri=_version_uri(settings.storage_uri or UNKNOWN, served.number),
            command=_command(served.number),
            resources=_resources(settings),
        ),
    )
    return InferenceService(metadata=_metadata(settings, served), spec=_Spec(predictor=predictor))


def text(service: InferenceService) -> str:
    """Writes a manifest as YAML, the same for the same champion and settings."""
    number = service.metadata.annotations[f"{_PREFIX}registered-version"]
    lines = [f"# The champion, version {number} of the registry. Written by frostgate; edits are lost."]
    if not service.is_complete:
        lines.append("# KServe refuses this until kserve.storage_uri says what the cluster sees of push.destination.")
    tag = service.spec.predictor.model.runtime_version
    if "@" not in tag:
        lines.append(
            f"# The server's image is what its tag is today; kserve.runtime_version={tag}@sha256:... holds it."
        )
    return "\n".join([*lines, yaml.safe_dump(service.document(), sort_keys=False, width=10**9)])


def _metadata(settings: KServeSettings, served: Served) -> _Metadata:
    facts = {
        "version": version("frostgate"),
        "registered-version": served.registered,
        "served-version": str(served.number),
        "fingerprint": served.fingerprint,
        "run-key": served.run_key,
        "decision": served.decision,
    }
    return _Metadata(
        name=settings.name,
        namespace=settings.namespace or None,
        labels={"app.kubernetes.io/managed-by": "frostgate"},
        annotations={f"{_PREFIX}{key}": value for key, value in facts.items()},
    )


def _version_uri(storage_uri: str, number: int) -> str:
    # The storage initializer lists a bucket by prefix: without the slash version 1 would bring version 10 along.
    return f"{storage_uri.rstrip('/')}/{number}" + ("" if storage_uri.startswith("pvc://") else "/")


def _command(number: int) -> tuple[str, ...]:
    # KServe appends the runtime's arguments, which become "$@"; of two flags of one name the last counts.
    script = (
        f"mkdir -p {_VERSIONS} && ln -sfn /mnt/models {_VERSIONS}/{number} && "
        f'exec /usr/bin/tensorflow_model_server "$@" --model_base_path={_VERSIONS}'
    )
    return ("/bin/sh", "-c", script, "tensorflow_model_server")


def _resources(settings: KServeSettings) -> _Resources:
    wanted = {"cpu": settings.cpu, "memory": settings.memory}
    if settings.gpus:
        wanted[settings.gpu_resource] = str(settings.gpus)
    return _Resources(requests=wanted, limits=wanted)


def _tag(settings: KServeSettings) -> str:
    tag, at, digest = settings.runtime_version.partition("@")
    return tag + ("" if not settings.gpus or tag.endswith(_GPU_TAG) else _GPU_TAG) + at + digest
