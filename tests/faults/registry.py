"""A registry behind HTTP, and a proxy before it that gets into trouble."""

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Final

from tests.faults.state import Champion
from tests.servers import answering

TROUBLES: Final = (
    "hangs up",
    "answers 500",
    "answers 503",
    "answers 429",
    "answers with half of it",
    "answers with a page",
    "answers {}",
    "knows nothing",
    "takes six seconds",
    "does it and hangs up",
)


@dataclass(frozen=True)
class Registry:
    """A server's address."""

    address: str

    def champion(self, name: str) -> Champion | None:
        """What its alias points to."""
        try:
            found = self._get(f"registered-models/alias?name={name}&alias=champion")["model_version"]
        except urllib.error.HTTPError:
            return None
        tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}
        return Champion(found["version"], tags.get("frostgate.decision", ""), tags.get("frostgate.fingerprint", ""))

    def _get(self, path: str) -> dict:
        with urllib.request.urlopen(f"{self.address}/api/2.0/mlflow/{path}", timeout=60) as answer:
            return json.loads(answer.read())


class Proxy(ThreadingHTTPServer):
    """Passes requests on, and every so often answers them itself."""

    daemon_threads = True
    address = ""

    def __init__(self, registry: Registry, draw: Random) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry, self.draw = registry, draw
        self.trouble = draw.choice(TROUBLES)
        self.share = draw.choice((0.2, 0.5, 1.0))


@contextlib.contextmanager
def troubled(registry: Registry, draw: Random) -> Iterator[Proxy]:
    """Runs a proxy in this process."""
    proxy = Proxy(registry, draw)
    with answering(proxy) as proxy.address:
        yield proxy


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.server.trouble if self.server.draw.random() < self.server.share else ""
        match trouble:
            case "hangs up":
                self.close_connection = True
            case "answers 500" | "answers 503" | "answers 429":
                self._say(int(trouble[-3:]), b"no")
            case "answers with a page":
                self._say(200, b"<html>please sign in</html>")
            case "answers {}":
                self._say(200, b"{}")
            case "knows nothing":
                self._say(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}')
            case _:
                if trouble == "takes six seconds":
                    time.sleep(6)
                code, answer = self._passed_on(body)
                if trouble == "does it and hangs up":
                    self.close_connection = True
                elif trouble == "answers with half of it":
                    self._say(code, answer[: len(answer) // 2], length=len(answer))
                    self.close_connection = True
                else:
                    self._say(code, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _passed_on(self, body: bytes) -> tuple[int, bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        request = urllib.request.Request(
            self.server.registry.address + self.path, body or None, headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _say(self, code: int, answer: bytes, length: int | None = None) -> None:
        with contextlib.suppress(OSError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer) if length is None else length))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
