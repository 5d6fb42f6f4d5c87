"""Where judged models are recorded."""

import re
from typing import Final, Literal

from components.credentials import Address
from components.settings import Settings

# Of a model in a Kubeflow Model Registry: a folder of the storage has it, and the server's queries quote nothing.
MODEL_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9 ._-]*")


class RegistrySettings(Settings):
    """The model registry."""

    kind: Literal["mlflow", "kubeflow"] = "mlflow"
    """`mlflow`: an SQLite file or an MLflow server; `kubeflow`: a Kubeflow Model Registry."""
    uri: Address = ""
    """MLflow tracking uri, or the Kubeflow Model Registry's address; empty: an SQLite file beside the run's output. A
    password in it is used, and neither shown nor stored."""
    storage: str = ""
    """Folder, s3:// or gs:// that receives the models' files; for `kubeflow` alone, which keeps none itself."""
    model_name: str = ""
    """Registered model's name; empty: the pipeline's name."""
    experiment: str = ""
    """MLflow experiment; empty: the registered model's name. Kubeflow Model Registry has none."""
    alias: str = "champion"
    """Alias that points at the newest pushed model; moved last."""
