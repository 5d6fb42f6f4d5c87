"""How the champion is served on a cluster with KServe."""

from typing import Final

from pydantic import Field

from components.settings import Settings

_NAME: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUANTITY: Final = "([.][0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?"
# Knative appends -predictor, and a host name's part has 63 characters.
NAME_LENGTH: Final = 53


class KServeSettings(Settings):
    """The InferenceService that is written beside the served versions, for KServe 0.11 or newer."""

    name: str = Field("", pattern=f"^({_NAME})?$", max_length=NAME_LENGTH, examples=["digits"])
    """The service's name, and the model's in its address; empty: the pipeline's, after `model-` if that begins with a
    digit."""
    namespace: str = Field("", pattern=f"^({_NAME})?$", max_length=63, examples=["models"])
    """The service's namespace; empty: that of whoever applies it."""
    storage_uri: str = Field(
        "", pattern="^((pvc|s3|gs)://[^/].*)?$", examples=["pvc://models/digits", "s3://bucket/digits/models"]
    )
    """What the cluster sees of push.destination: pvc://CLAIM/FOLDER, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; empty:
    the claim kubeflow.volume where push.destination is below kubeflow.mount, and otherwise unknown."""
    runtime: str = Field("kserve-tensorflow-serving", pattern=f"^{_NAME}$", examples=["kserve-tensorflow-serving"])
    """The (Cluster)ServingRuntime; one that runs TensorFlow Serving from an image with a shell."""
    runtime_version: str = Field("2.16.1", pattern=r"^[\w.-]+(@sha256:[0-9a-f]{64})?$", examples=["2.16.1"])
    """Tag of TensorFlow Serving's image, better with its digest, for a tag may move; KServe's own default, 2.6.2, is
    older than the exported graph."""
    cpu: str = Field("1", pattern="^[0-9]+([.][0-9]+|m)?$", examples=["1", "500m"])
    """Cores of a replica, as Kubernetes writes them."""
    memory: str = Field("2Gi", pattern=f"^[0-9]+{_QUANTITY}$", examples=["2Gi", "512Mi"])
    """Memory of a replica, as Kubernetes writes it."""
    gpus: int = Field(0, ge=0)
    """GPUs of a replica; with any, the image's tag ends in -gpu."""
    gpu_resource: str = "nvidia.com/gpu"
    """The cluster's name for a GPU."""
    min_replicas: int = Field(1, ge=0)
    """Replicas at least; 0: none while nobody asks, where KServe runs on Knative."""
    max_replicas: int = Field(3, ge=1)
    """Replicas at most."""
    canary_percent: int = Field(100, ge=0, le=100)
    """Share of the requests that a new champion gets at first, where KServe runs on Knative; 100: all. What a rollback
    brings back gets all."""
    service_account: str = Field("", pattern="^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", examples=["models"])
    """The account with the credentials of the storage; empty: the namespace's default."""
