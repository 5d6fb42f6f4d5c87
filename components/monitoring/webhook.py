"""A message to a chat server, as Slack and those like it take it: `{"text": ...}`."""

import html
import json
import os
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, InvalidURL
from typing import Final

from components.errors import safe

# The address is a secret where it lets anybody write: it is no setting, for settings are shown and compiled.
NOTIFY_URL: Final = "FROSTGATE_NOTIFY_URL"
_TIMEOUT_SECONDS: Final = 10


def notify(title: str, lines: Sequence[str] = ()) -> tuple[str, ...]:
    """Posts a message to the address in FROSTGATE_NOTIFY_URL; without the address nobody wants to know.

    Args:
        title: The first line.
        lines: Further lines; empty ones are left out.

    Returns:
        A sentence if nobody took the message; never an exception, and never the address.
    """
    url = os.environ.get(NOTIFY_URL)
    if not url:
        return ()
    # Of the three that mean something to Slack.
    text = html.escape("\n".join(line for line in (title, *lines) if line), quote=False)
    why = _post(url, json.dumps({"text": text}).encode())
    return (f"{NOTIFY_URL} must take a POST of JSON; it did not ({why}).",) if why else ()


def _post(url: str, body: bytes) -> str:
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()
    except (ValueError, InvalidURL):
        return "it is no address"  # Python's complaint repeats it.
    except (OSError, HTTPException) as error:
        # The server's own words may repeat what it was asked for.
        return safe(str(getattr(error, "reason", None) or type(error).__name__))
    return ""
