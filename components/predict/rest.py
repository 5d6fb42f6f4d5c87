"""A model server that speaks TensorFlow Serving's REST interface."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Final

from components.errors import DataRefused
from components.foreign import json_text
from components.predict.asking import Answer, Ask, Refused, from_rest

_TIMEOUT_SECONDS: Final = 60


def connect(address: str, model_name: str) -> Ask:
    """Makes what asks a server; nothing is sent yet.

    Args:
        address: As in `http://localhost:8501`.
        model_name: As the server was told (`--model_name`).

    Returns:
        Raises DataRefused where the server cannot be reached or knows no such model.
    """
    if not address.startswith(("http://", "https://")):
        raise DataRefused(f"A model server's address begins with http:// or https://; received {address}.")
    url = f"{address.rstrip('/')}/v1/models/{model_name}:predict"

    def ask(images: Sequence[bytes]) -> list[Answer]:
        # The server decodes base64 in inputs whose names end so.
        rows = [{"image_bytes": {"b64": base64.b64encode(image).decode()}} for image in images]
        body = json.dumps({"signature_name": "serving_default", "instances": rows}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                return from_rest(response.read(), len(images))
        except urllib.error.HTTPError as error:
            said = _complaint(error.read())
            if error.code == 400:
                raise Refused(said) from error
            raise DataRefused(
                f"{url} answered {error.code}: {said}. Is it served under the name {model_name}?"
            ) from error
        except OSError as error:
            raise DataRefused(f"{url} cannot be reached ({getattr(error, 'reason', error)}); is it running?") from error

    return ask


def _complaint(body: bytes) -> str:
    try:
        text = str(json_text.parse(body)["error"])
    except (ValueError, KeyError, TypeError):
        text = body.decode("utf-8", "replace")
    return " ".join(text.split())[:200]
