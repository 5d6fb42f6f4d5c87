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
        ValueError: `uri` or `model_name` is empty, or the file is no SQLite database.
        RegistryUnavailable: It cannot be opened.
    """
    return MlflowRegistry(settings)


def existing_registry(settings: RegistrySettings) -> ModelRegistry | None:
    """Opens a registry to look at it; None, at no cost, where the SQLite file does not exist yet."""
    file = sqlite_file(settings.uri)
    return None if file and not file.exists() else open_registry(settings)
