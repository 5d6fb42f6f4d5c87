"""Where judged models are recorded: what a registry must do, and MLflow doing it."""
