"""Who hears of a run when it is over."""

import time

from pipeline.config import Config
from pipeline.runners.results import RunSummary


def tell(config: Config, summary: RunSummary) -> tuple[str, ...]:
    """Tells Prometheus, where the configuration says so.

    Returns:
        A sentence for everybody who could not be told.
    """
    if not config.monitoring.pushgateway and not config.monitoring.textfile:
        return ()
    from components.monitoring.metrics import parts
    from components.monitoring.sending import send

    return send(config.monitoring, summary.pipeline, parts(summary.model_dump(mode="json"), time.time()))
