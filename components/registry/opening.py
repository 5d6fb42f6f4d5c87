"""Which registry a run's settings mean."""

from components.registry.mlflow_connection import sqlite_file
from components.registry.mlflow_registry import MlflowRegistry
from components.registry.protocol import ModelRegistry
from components.registry.settings import RegistrySettings


def open_registry(settings: RegistrySettings) -> ModelRegistry:
    """Opens a registry; a local one is made if absent.

    Args:
        settings: With `uri` and `model_name` filled in.

    Raises:
        ValueError: `uri`, `storage` or `model_name` is empty where it must not be, the file is no SQLite database, or
            the storage's protocol is unknown.
        RegistryUnavailable: It cannot be opened.
    """
    if settings.kind == "kubeflow":
        # Costs a second, which who has MLflow need not pay.
        from components.registry.kubeflow_registry import KubeflowRegistry

        return KubeflowRegistry(settings)
    return MlflowRegistry(settings)


def existing_registry(settings: RegistrySettings) -> ModelRegistry | None:
    """Opens a registry to look at it; None, at no cost, where the SQLite file does not exist yet."""
    file = sqlite_file(settings.uri)
    return None if file and not file.exists() else open_registry(settings)
