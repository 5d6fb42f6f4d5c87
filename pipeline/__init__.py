"""How the steps connect, how a run is configured, and how it starts."""
