"""How the compiled pipeline's steps run on a cluster."""

from typing import Final, Literal

from pydantic import Field

from components.settings import Settings

# Of every pod.
LABELS: Final = {"app.kubernetes.io/name": "frostgate"}
# What people change from run to run; any other key of the configuration may be named instead.
RUN_PARAMETERS: Final = (
    "data.uri",
    "data.span",
    "transform.image_size",
    "trainer.head.epochs",
    "trainer.fine_tune.epochs",
    "gate.max_mode_gap",
    "gate.max_generalisation_gap",
    "gate.max_drop_against_champion",
    "gate.min_first_accuracy",
)


class SecretVariable(Settings):
    """An environment variable that is read from a Kubernetes secret."""

    name: str
    """The variable."""
    secret: str
    """The secret's name in the namespace of the run."""
    key: str
    """The key in the secret."""


class Toleration(Settings):
    """A taint that a step may be scheduled on, as Kubernetes spells it."""

    key: str
    """The taint's key."""
    operator: Literal["Equal", "Exists"] = "Exists"
    """How `value` is compared."""
    value: str = ""
    """The taint's value; only with `Equal`."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """The taint's effect; empty: any."""


class NodeAffinity(Settings):
    """A rule about a node's label, as Kubernetes spells it."""

    key: str
    """The label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    """How `values` are compared."""
    values: tuple[str, ...] = ()
    """What the label is compared with."""
    weight: int | None = Field(None, ge=1, le=100)
    """With a weight the rule is a wish; without one a condition."""


class StepSettings(Settings):
    """What one step is given; what is left out is as for the steps of its kind."""

    cpu: float | None = Field(None, gt=0)
    """Cores, at most."""
    cpu_request: float | None = Field(None, gt=0)
    """Cores that a node must have free."""
    memory_gigabytes: float | None = Field(None, gt=0)
    """Memory, at most."""
    memory_request_gigabytes: float | None = Field(None, gt=0)
    """Memory that a node must have free."""
    gpus: int | None = Field(None, ge=0)
    """GPUs of this step alone."""
    retries: int | None = Field(None, ge=0)
    """How often a failed step is tried again."""
    timeout_seconds: int | None = Field(None, ge=1)
    """A step that runs longer is stopped."""
    cache: bool | None = None
    """Whether a step with the same inputs is skipped; News, ingest, Champion, Pusher, RegistryPush, ServingLogGen and
    DriftGate never are."""
    beam_args: tuple[str, ...] = ()
    """Further flags of the step's Beam pipeline, such as another runner; one whose workers are containers also needs
    `--sdk_container_image`."""


class KubeflowSettings(Settings):
    """Where and with what the steps run on Kubeflow Pipelines; used by compile, submit and schedule only."""

    image: str = ""
    """The container image, by digest: a step that was cached under a tag stays cached when the tag moves."""
    gpus: int = Field(1, ge=0)
    """GPUs of every step that trains: Trainer, and Backbone when it pretrains. 0: none."""
    gpu_resource: str = "nvidia.com/gpu"
    """The cluster's name for a GPU."""
    cpu: float = Field(4.0, gt=0)
    """Cores of a step, at most."""
    cpu_request: float = Field(1.0, gt=0)
    """Cores that a node must have free to be given a step."""
    memory_gigabytes: float = Field(8.0, gt=0)
    """Memory of a step, at most."""
    memory_request_gigabytes: float = Field(3.0, gt=0)
    """Memory that a node must have free to be given a step."""
    retries: int = Field(2, ge=0)
    """How often a failed step is tried again; a blocked model is no failure."""
    timeout_seconds: int = Field(86_400, ge=1)
    """A step that runs longer is stopped."""
    volume: str = Field("frostgate", pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", examples=["frostgate"])
    """The persistent volume claim that keeps pushed versions, pretrained weights and unfinished trainings."""
    mount: str = Field("/frostgate", pattern="^/[^/].*$", examples=["/frostgate"])
    """Where the claim is mounted; takes the place of `output`."""
    shared_memory: str = Field("1Gi", pattern="^[0-9]+([.][0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$", examples=["1Gi", "512Mi"])
    """Size of /dev/shm in steps with a GPU, as Kubernetes writes it."""
    env: dict[str, str] = Field({})
    """Environment variables of every step."""
    secrets: tuple[SecretVariable, ...] = ()
    """Environment variables that come from Kubernetes secrets, such as AWS_SECRET_ACCESS_KEY."""
    node_selector: dict[str, str] = Field({})
    """Labels that a node must have to be given a step with a GPU."""
    node_affinity: tuple[NodeAffinity, ...] = ()
    """Rules about the nodes of steps with a GPU, where a selector says too little."""
    tolerations: tuple[Toleration, ...] = (Toleration(key="nvidia.com/gpu"),)
    """Taints that steps with a GPU may be scheduled on; a list of your own takes this one's place."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the image is pulled."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets with the registry's credentials."""
    run_as_user: int | None = Field(None, ge=1)
    """User and group id of every step where the image's, 1000, do not do; backends before 2.16 do not heed it."""
    endpoint: str = "http://ml-pipeline.kubeflow:8888"
    """The Kubeflow Pipelines API as steps reach it: `Ended` asks it where the backend does not say how a run ended, and
    `drift.on_alert: train` starts a training run there."""
    parameters: tuple[str, ...] = RUN_PARAMETERS
    """Keys of this configuration that every run may be given another value of; data.uri is the parameter data_uri."""
    steps: dict[str, StepSettings] = Field({})
    """Exceptions for single steps, by their name in `frostgate run --dry-run` or among those of `frostgate monitor`."""
