"""Secrets to be looked for in everything that a run writes, sends, prints and hands to its children."""

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

# No encoding changes the word, so it is looked for in all of them; what follows it makes clients quote it or stumble.
WORD = "c4n4ry"
_PLACE = re.compile(rf"{WORD}-([a-z]+)")


def canary(place: str) -> str:
    return f"{WORD}-{place}/4711@x+y"


def address_of(place: str) -> str:
    return f"http://ann:{quote(canary(place), safe='')}@127.0.0.1:9"


def signed_in(place: str) -> str:
    return "Basic " + base64.b64encode(f"ann:{canary(place)}".encode()).decode()


# tests/test_credentials.py has a table of what may be a secret in there; these are of each kind.
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": address_of("store"),
    "AWS_SECRET_ACCESS_KEY": canary("bucket"),
    "AWS_SESSION_TOKEN": canary("session"),
    "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=ann;AccountKey={canary('azure')}",
    "FROSTGATE__REGISTRY__URI": address_of("variable"),
    "HTTPS_PROXY": f"ann:{canary('proxy')}@127.0.0.1:9",
    "KF_PIPELINES_ENDPOINT": address_of("kubeflow"),
    "MLFLOW_TRACKING_PASSWORD": canary("mlflow"),
    "MLFLOW_TRACKING_URI": address_of("tracking"),
    "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={quote(canary('header'), safe='')},x=y",
    "OTHER_API_KEY": canary("other"),
}
PLACES = ("registry", "gateway", *_PLACE.findall(str(ENVIRONMENT)))


def said_in(parts: Iterable[bytes], *folders: Path) -> list[bytes]:
    """The surroundings of every secret in these parts and in the files below these folders."""
    files = [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
    words = [WORD.encode(), *(signed_in(place).removeprefix("Basic ").encode() for place in PLACES)]
    return [part[max(0, part.index(word) - 100) :][:200] for part in (*parts, *files) for word in words if word in part]
