"""The export is tried in a fresh process before anybody is sent to it."""
