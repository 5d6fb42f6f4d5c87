"""Where a run's numbers go."""

from components.credentials import Address
from components.settings import Settings


class MonitoringSettings(Settings):
    """What Prometheus is told of every run; a gateway that does not answer costs a warning."""

    pushgateway: Address = ""
    """Address of a Pushgateway, as in http://pushgateway:9091; empty: none. A password in it is used, and neither shown
    nor stored."""
    textfile: str = ""
    """Folder of node_exporter's textfile collector; empty: none."""
