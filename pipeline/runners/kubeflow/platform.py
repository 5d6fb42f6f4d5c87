"""The second document of a compiled pipeline: what Kubernetes must do for a step beyond running a container."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes

from pipeline.runners.kubeflow.branching import NEWS_ENDED
from pipeline.runners.kubeflow.ending import ENDED
from pipeline.runners.kubeflow.looks import TRAIN
from pipeline.runners.kubeflow.settings import LABELS, KubeflowSettings
from pipeline.runners.kubeflow.spec import EXECUTOR
from pipeline.runners.kubeflow.steps import Resources

_SCRATCH: Final = "/tmp"


def platform(settings: KubeflowSettings, resources: Mapping[str, Resources], others: Collection[str]) -> dict[str, Any]:
    """Builds the platform document.

    Args:
        settings: The cluster's.
        resources: Node -> what it gets.
        others: Steps that are no nodes.
    """
    made = {name: _of(settings, given) for name, given in resources.items()}
    made |= {name: _OTHERS.get(name, _pulled)(settings) for name in others}
    executors = {EXECUTOR + name: json_format.MessageToDict(one) | _user(settings) for name, one in made.items()}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _of(settings: KubeflowSettings, given: Resources) -> kubernetes.KubernetesExecutorConfig:
    made = _with_secrets(settings)
    made.active_deadline_seconds = given.timeout_seconds
    made.pvc_mount.add(mount_path=settings.mount, constant=settings.volume)
    # The image's own folders need not be writable.
    made.empty_dir_mounts.add(volume_name="scratch", mount_path=_SCRATCH)
    if given.gpus:
        made.empty_dir_mounts.add(
            volume_name="shared-memory", mount_path="/dev/shm", medium="Memory", size_limit=settings.shared_memory
        )
        made.node_selector.labels.update(settings.node_selector)
        for rule in settings.node_affinity:
            term = made.node_affinity.add(weight=rule.weight)
            term.match_expressions.add(key=rule.key, operator=rule.operator, values=rule.values)
        for one in settings.tolerations:
            made.tolerations.add(key=one.key, operator=one.operator, value=one.value, effect=one.effect)
    return made


def _user(settings: KubeflowSettings) -> dict[str, Any]:
    """What backends from 2.16 know, those before drop, and the messages of this SDK lack; int64 is a text in JSON."""
    number = settings.run_as_user
    # A user whom the image does not know would get root's group, and the volume is the group's.
    another = {"runAsUser": str(number), "runAsGroup": str(number)} if number is not None else {}
    # The image's user is not root; a namespace that lets in nobody else wants to be told.
    return {"securityContext": another | {"runAsNonRoot": True}}


def _with_secrets(settings: KubeflowSettings) -> kubernetes.KubernetesExecutorConfig:
    made = _pulled(settings)
    for variable in settings.secrets:
        secret = made.secret_as_env.add(secret_name=variable.secret)
        secret.key_to_env.add(secret_key=variable.key, env_var=variable.name)
    return made


def _pulled(settings: KubeflowSettings) -> kubernetes.KubernetesExecutorConfig:
    return kubernetes.KubernetesExecutorConfig(
        image_pull_policy=settings.image_pull_policy,
        image_pull_secret=[kubernetes.ImagePullSecret(secret_name=name) for name in settings.image_pull_secrets],
        # Network policies and people find the steps by it.
        pod_metadata=kubernetes.PodMetadata(labels=LABELS),
    )


def _with_scratch(settings: KubeflowSettings) -> kubernetes.KubernetesExecutorConfig:
    made = _with_secrets(settings)
    # The client of Kubeflow Pipelines writes to the home folder.
    made.empty_dir_mounts.add(volume_name="scratch", mount_path=_SCRATCH)
    return made


# What does more than print.
_OTHERS: Final = dict.fromkeys((ENDED, NEWS_ENDED, TRAIN), _with_scratch)
