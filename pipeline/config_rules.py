"""Finds settings that are valid one by one but contradict each other or the backbone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from components.backbone.kinds import KINDS
from components.backbone.settings import NAMED_WEIGHTS, BackboneSettings
from components.credentials import takes_credentials
from components.errors import has_credentials, names_secret
from components.registry.settings import MODEL_NAME
from pipeline.config_errors import field_at, is_section

if TYPE_CHECKING:
    from pipeline.config import Config

_SHA256: Final = re.compile("[0-9a-f]{64}")
_SERVER: Final = re.compile(r"https?://[^\s/]+(/[^\s?#]*)?")
_SURPLUS_STORAGE: Final = (
    "registry.storage must be empty when registry.kind is mlflow; received {}. MLflow keeps the models' files itself: "
    "remove it, or set registry.kind to kubeflow."
)
STORE_CREDENTIALS: Final = (
    "Give the store's credentials in its own variables, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
_CLUSTER_CREDENTIALS: Final = (
    "Steps take it from a secret that kubeflow.secrets names; the backend's token is in the file that "
    "KF_PIPELINES_SA_TOKEN_PATH names."
)
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def contradictions(config: "Config") -> list[str]:
    """Returns one sentence for each contradiction in a configuration, saying what to change; empty where none is."""
    blocks, weights, sha256 = config.trainer.fine_tune.blocks, config.backbone.weights, config.backbone.sha256
    classes, gate = config.data.classes, config.gate
    refusals, backbone = [], KINDS[config.backbone.kind]
    if blocks != "all" and not 0 <= blocks <= backbone.num_blocks:
        refusals.append(backbone.blocks_sentence(blocks))
    elif weights == "none" and blocks != 0:
        refusals.append(
            f"trainer.fine_tune.blocks must be 0 when backbone.weights is none; received {blocks}. "
            "Random weights are trained whole, from scratch: set the blocks to 0, or name weights to start from."
        )
    if weights not in NAMED_WEIGHTS and not weights.lower().endswith((".h5", ".keras")):
        refusals.append(
            f"backbone.weights must be {', '.join(NAMED_WEIGHTS)}, or a .weights.h5, .h5 or .keras file; received "
            f"{weights!r}. Name one of them."
        )
    if weights == "imagenet" and backbone.published is None:
        refusals.append(
            f"backbone.weights must be a file, pretrain or none when backbone.kind is {backbone.kind}; received "
            "imagenet. Nobody publishes ImageNet weights of it: name another kind, or pretrain it here."
        )
    if sha256 and not _SHA256.fullmatch(sha256):
        refusals.append(
            f"backbone.sha256 must be 64 lower-case hexadecimal digits; received {sha256!r}. "
            "Copy what `sha256sum` prints for the weights file."
        )
    elif sha256 and weights in NAMED_WEIGHTS:
        refusals.append(
            f"backbone.sha256 must be empty when backbone.weights is {weights}; received {sha256}. "
            "It is compared with a weights file of one's own: name that file in backbone.weights."
        )
    if classes and len(set(classes)) < max(2, len(classes)):
        refusals.append(
            f"data.classes must name at least two classes, each once; received {', '.join(classes)}. "
            "Leave it empty to discover them from the data."
        )
    if not all(name.strip() for name in classes):
        refusals.append(
            f"data.classes must name every class; received {list(classes)}. Remove the empty name, or give it one."
        )
    if gate.hold_generalisation_gap < gate.max_generalisation_gap:
        refusals.append(
            "gate.hold_generalisation_gap must be at least gate.max_generalisation_gap, "
            f"{gate.max_generalisation_gap}; received {gate.hold_generalisation_gap}. Raise the one or lower the other."
        )
    kserve = config.kserve
    if kserve.min_replicas > kserve.max_replicas:
        refusals.append(
            f"kserve.min_replicas must be at most kserve.max_replicas, {kserve.max_replicas}; received "
            f"{kserve.min_replicas}. Raise the one or lower the other."
        )
    tag, _, digest = kserve.runtime_version.partition("@")
    if tag.endswith("-gpu") and not kserve.gpus:
        refusals.append(
            f"kserve.gpus must be at least 1 for an image with GPUs, kserve.runtime_version "
            f"{kserve.runtime_version}; received 0. Name the GPUs, or the image without -gpu."
        )
    if digest and kserve.gpus and not tag.endswith("-gpu"):
        refusals.append(
            f"kserve.runtime_version must name an image with GPUs for kserve.gpus {kserve.gpus}; received "
            f"{kserve.runtime_version}. Give the tag that ends in -gpu, and its digest."
        )
    if not _DOTTED.fullmatch(config.trainer.run_fn):
        refusals.append(
            f"trainer.run_fn must be a dotted name, package.module.function; received {config.trainer.run_fn!r}. "
            "Put the function in a module that Python can import."
        )
    return [*refusals, *_registry_refusals(config)]


def with_published_size(values: Any) -> Any:
    """Sets the image size to the one that ImageNet weights were trained on, unless the settings name another.

    Args:
        values: The settings, section -> key -> value; anything else is returned as it is, to be refused later.

    Returns:
        The settings, with `transform.image_size` in pixels where `backbone.weights` is `imagenet`.
    """
    if not isinstance(values, dict):
        return values
    backbone, transform = values.get("backbone", {}), values.get("transform", {})
    if not isinstance(backbone, dict) or not isinstance(transform, dict):
        return values
    kind = KINDS.get(str(backbone.get("kind", BackboneSettings().kind)))
    if backbone.get("weights") != "imagenet" or "image_size" in transform or kind is None:
        return values
    return values | {"transform": transform | {"image_size": kind.trained_at}}


def secrets(values: Any, model: type[BaseModel]) -> list[str]:
    """Returns a sentence for each secret in settings that would be stored and shown, and never the secret.

    Args:
        values: As told, before anything else is looked at: what is said of another fault repeats what came.
        model: What they are settings of; what takes an address with its credentials is left to it.
    """
    return list(_secrets(to_jsonable_python(values, fallback=str, bytes_mode="base64"), model, ()))


def _secrets(values: Any, model: type[BaseModel], above: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(values, Mapping):
        return
    for name, inner in values.items():
        keys = (*above, str(name))
        field = field_at(model, keys)
        if has_credentials(str(name)):
            yield _refusal(f"A name in {'.'.join(above) or 'the configuration'}", above)
        elif field is None or is_section(field.annotation):
            # Of a key that there is not, no value is said, but the names in it are.
            yield from _secrets(inner, model, keys)
        elif not takes_credentials(field):
            for key, text in _texts(inner, ".".join(keys)):
                if has_credentials(text) or _is_named_as_secret(key, text):
                    yield _refusal(key, keys)


def _refusal(key: str, keys: Sequence[str]) -> str:
    way_out = _CLUSTER_CREDENTIALS if keys[:1] == ("kubeflow",) else STORE_CREDENTIALS
    return f"{key} must hold no password, token or signature, for it is stored and shown; received one. {way_out}"


def _is_named_as_secret(key: str, text: str) -> bool:
    """Whether it has one by its name: a variable of the steps, or a flag such as `--s3_secret_access_key=...`."""
    flag = text.removeprefix("--").partition("=")[0] if text.startswith("--") else ""
    return names_secret(flag) or (key.startswith("kubeflow.env.") and names_secret(key.rpartition(".")[2]))


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yields the dotted key and the value of every text in a nested value; a name with credentials is a text, too."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            is_name = not has_credentials(str(name))
            yield from _texts(inner, f"{key}.{name}") if is_name else [(f"A name in {key}", str(name))]
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _texts(inner, f"{key}[{position}]")
    elif isinstance(value, str):
        yield key, value


def _registry_refusals(config: "Config") -> list[str]:
    registry = config.registry
    if registry.kind == "mlflow":
        return [_SURPLUS_STORAGE.format(registry.storage)] if registry.storage else []
    refusals = []
    if not _SERVER.fullmatch(registry.uri):
        refusals.append(
            "registry.uri must be a server's address, http:// or https://, when registry.kind is kubeflow; received "
            f"{str(registry.uri)!r}. Give it as in http://model-registry-service.kubeflow:8080."
        )
    if not registry.storage:
        refusals.append(
            "registry.storage must be a folder, s3:// or gs:// when registry.kind is kubeflow; it is empty. "
            "The server keeps no files: say where the models' are to be."
        )
    if registry.experiment:
        refusals.append(
            f"registry.experiment must be empty when registry.kind is kubeflow; received {registry.experiment!r}. "
            "Only MLflow has experiments: remove it."
        )
    if not MODEL_NAME.fullmatch(registry.model_name or config.name):
        refusals.append(
            "registry.model_name must be letters, digits, spaces, dots, hyphens and underscores when registry.kind is "
            f"kubeflow; received {registry.model_name!r}. A folder of the storage has this name: choose another."
        )
    return refusals
