"""Which settings do for a run on this machine, and not on a cluster."""

import os
import re
from collections.abc import Iterator
from typing import Final

from components.backbone.settings import NAMED_WEIGHTS
from components.credentials import complete
from components.ingest.embedded import is_embedded
from components.serving_log.refusals import no_log
from pipeline.config import Config, addresses
from pipeline.config_errors import ConfigRefused
from pipeline.runners.kubeflow.facts import COMPILED, REVISION
from pipeline.runners.kubeflow.pipelines import PipelineName

_DIGEST: Final = re.compile(r".+@sha256:[0-9a-f]{64}")
_SQLITE: Final = "sqlite:///"
_HOW_TO_SIGN_IN: Final = {
    "mlflow": "Give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD through kubeflow.secrets.",
    "kubeflow": "The pod's own token is sent; KF_PIPELINES_SA_TOKEN_PATH in kubeflow.env names another one's file.",
}
_GATEWAY_INSIDE: Final = "Use a gateway inside the cluster, such as kubeflow/monitoring makes."


def check(config: Config, pipeline: PipelineName = "training") -> None:
    """Refuses what the steps could not use, or what must not be in a file that many can read.

    Raises:
        ConfigRefused: A sentence a fault.
        DataRefused: There is no log to look at, or a threshold is of no feature.
    """
    found = [*_image(config), *_addresses(config, pipeline), *_credentials(config), *_variables(config)]
    if pipeline == "monitoring":
        found += _looks(config)
    if found:
        raise ConfigRefused(found)


def _image(config: Config) -> Iterator[str]:
    image = config.kubeflow.image
    if not image:
        yield (
            "kubeflow.image must be the address of the container image; it is empty. Build and push one as "
            "docs/kubeflow.md shows, and give it by digest: registry/frostgate@sha256:..."
        )
    elif not _DIGEST.fullmatch(image):
        yield (
            "kubeflow.image must be given by digest, as in registry/frostgate@sha256: and 64 hexadecimal digits; "
            f"received {image}. A tag can move, and steps that were cached under it would not notice."
        )


def _looks(config: Config) -> Iterator[str]:
    from pipeline.watching import check_thresholds  # Brings TFX's messages, which no other command needs.

    check_thresholds(config)
    if not config.serving_log.uri and "serving_log.uri" not in config.kubeflow.parameters:
        raise no_log()
    if "drift.on_alert" in config.kubeflow.parameters:
        yield (
            "kubeflow.parameters must not name drift.on_alert, which decides what steps the file has; received it. "
            "Remove it, and compile with the value that you want."
        )


def _addresses(config: Config, pipeline: PipelineName) -> Iterator[str]:
    mount = config.kubeflow.mount
    places = {
        "registry.uri": config.registry.uri.removeprefix(_SQLITE) if _SQLITE in config.registry.uri else "",
        "registry.storage": config.registry.storage,
    }
    if pipeline == "training":
        places = {
            "data.uri": config.data.uri,
            "push.destination": config.push.destination,
            "backbone.weights": config.backbone.weights,
            **places,
        }
    else:
        places["serving_log.uri"] = config.serving_log.uri
    for key, place in places.items():
        is_remote = key != "push.destination" and "://" in place
        is_name = not place or is_remote or place.startswith("tfds:") or is_embedded(place)
        if is_name or place in NAMED_WEIGHTS or os.path.normpath(place).startswith(f"{mount}/"):
            continue
        yield (
            f"{key} must be an address that every step can reach; received {place}. Steps share no folder but the "
            f"volume: use one below {mount}{', gs:// or s3://' if key != 'push.destination' else ''}."
        )


def _credentials(config: Config) -> Iterator[str]:
    for key, address in addresses(config).items():
        if complete(address) != address:
            is_registrys = key == "registry.uri"
            yield (
                f"{key} must hold no password, for the compiled file is readable by many; received one. "
                f"{_HOW_TO_SIGN_IN[config.registry.kind] if is_registrys else _GATEWAY_INSIDE}"
            )


def _variables(config: Config) -> Iterator[str]:
    names = [*config.kubeflow.env, *(one.name for one in config.kubeflow.secrets)]
    for name in sorted(set(names)):
        if name in (COMPILED, REVISION):
            yield f"kubeflow.env and kubeflow.secrets must leave {name} alone; it is frostgate's own."
        elif names.count(name) > 1:
            yield f"kubeflow.env and kubeflow.secrets must name a variable once; received {name} twice. Keep one."
