"""Where judged models are recorded."""

from components.settings import Settings


class RegistrySettings(Settings):
    """The model registry."""

    uri: str = ""
    """MLflow tracking uri; empty: an SQLite file and a folder beside the run's output."""
    model_name: str = ""
    """Registered model's name; empty: the pipeline's name."""
    experiment: str = ""
    """MLflow experiment; empty: the registered model's name."""
    alias: str = "champion"
    """Alias that points at the newest pushed model; moved last."""
