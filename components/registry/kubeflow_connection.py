"""Reaches a Kubeflow Model Registry: one request at a time, with bounded retries, and with errors of one sentence."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from aiohttp import ClientError
from mr_openapi import ApiClient, Configuration, ModelRegistryServiceApi
from mr_openapi.exceptions import ApiException, ConflictException, NotFoundException, OpenApiException
from mr_openapi.rest import RESTResponse
from pydantic import ValidationError

from components.credentials import complete
from components.errors import DataRefused, conceal, first_line, safe, without_credentials
from components.registry.protocol import RegistryUnavailable

Answer = TypeVar("Answer")
Call = Callable[[ModelRegistryServiceApi], Awaitable[Answer]]

# The variable by which the library's own registry class finds the token, too.
TOKEN_FILE: Final = "KF_PIPELINES_SA_TOKEN_PATH"
_POD_TOKEN_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

_PREFIX: Final = "/api/model_registry/"
# The version of the API that the client speaks, and the one that older servers speak.
_DIALECTS: Final = ("v1", "v1alpha3")

_ATTEMPTS: Final = 5
_FIRST_WAIT_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 30.0
_PAGE_SIZE: Final = "100"


class Page(Protocol):
    """A page of a list, as the server answers it."""

    items: list[Any]
    next_page_token: str


class Connection:
    """Asks a server synchronously: the library is asynchronous, but all code that uses this class is not."""

    def __init__(self, uri: str) -> None:
        """Prepares the client; sends no request yet.

        Args:
            uri: The server's address, http or https.

        Raises:
            DataRefused: The environment names a file for the token, and it cannot be read.
        """
        self.address = without_credentials(uri)
        # The client is made once, because it reads the machine's certificates, which takes longer than a request.
        self._client = _Client(Configuration(host=complete(uri).rstrip("/"), access_token=_token()))

    def ask(self, call: Call[Answer]) -> Answer:
        """Makes one request, and repeats it after errors that may pass.

        Args:
            call: Makes the request, which must be harmless to repeat.

        Raises:
            RegistryUnavailable: The server could not be reached, or answered with an error.
        """
        try:
            return self._with_patience(call)
        except ApiException as error:
            raise self._unavailable(error) from error

    def ask_or_none(self, call: Call[Answer]) -> Answer | None:
        """Makes one request; returns None where the server does not know what was asked for.

        Raises:
            RegistryUnavailable: The server could not be reached, or answered with an error other than 404.
        """
        with suppress(NotFoundException):
            return self._with_patience(call)
        return None

    def make(self, find: Callable[[], Answer | None], create: Call[Answer]) -> Answer:
        """Creates a thing whose name the server allows only once, or returns the existing one.

        Args:
            find: Returns the existing thing, or None.
            create: Creates it; fails where another client was faster.

        Raises:
            RegistryUnavailable: The thing neither exists nor can be created.
        """
        existing = find()
        if existing is not None:
            return existing
        try:
            return self._with_patience(create)
        except ApiException as error:
            if (existing := find()) is None:
                raise self._unavailable(error) from error
            return existing

    def pages(self, call: Callable[..., Awaitable[Page]]) -> Iterator[Any]:
        """Yields the items of a list, page by page.

        Args:
            call: Takes the service, and `page_size` and `next_page_token` by name; returns a page.

        Raises:
            RegistryUnavailable: The server gives no list, or the same page for ever.
        """
        token: str | None = None
        while True:
            page = self.ask(partial(call, page_size=_PAGE_SIZE, next_page_token=token))
            yield from page.items
            if page.next_page_token and page.next_page_token == token:
                raise self._unavailable(ValueError("it gives the same page again"))
            token = page.next_page_token
            if not token:
                return

    def _with_patience(self, call: Call[Answer]) -> Answer:
        """Makes a request with retries; every error but "not found" and "conflict" becomes RegistryUnavailable."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._in_its_dialect(call)
            except (NotFoundException, ConflictException):
                raise
            except (OpenApiException, ClientError, OSError, ValueError) as error:
                if attempt == _ATTEMPTS - 1 or not _is_passing(error):
                    raise self._unavailable(error) from error
            time.sleep(_FIRST_WAIT_SECONDS * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _in_its_dialect(self, call: Call[Answer]) -> Answer:
        try:
            return asyncio.run(self._answer(call))
        except NotFoundException as error:
            # A "not found" in JSON is the registry's own; any other one says that the server does not know the path.
            if _is_json(error):
                raise
            if self._client.dialect == _DIALECTS[-1]:
                raise ValueError("there is no Model Registry at that address") from error
        self._client.dialect = _DIALECTS[-1]
        return self._in_its_dialect(call)

    async def _answer(self, call: Call[Answer]) -> Answer:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await call(ModelRegistryServiceApi(self._client))
        finally:
            await self._client.close()

    def _unavailable(self, error: Exception) -> RegistryUnavailable:
        return RegistryUnavailable.at(self.address, _reason(error))


class _Client(ApiClient):
    """The library's client, extended to older servers' paths and to a new event loop for each request."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.user_agent = "frostgate"
        self.dialect = _DIALECTS[0]

    async def call_api(self, method: str, url: str, *args: Any, **kwargs: Any) -> RESTResponse:
        url = url.replace(f"{_PREFIX}{_DIALECTS[0]}/", f"{_PREFIX}{self.dialect}/", 1)
        return await super().call_api(method, url, *args, **kwargs)

    async def close(self) -> None:
        await super().close()
        # The next request has an event loop of its own and opens another pool.
        self.rest_client.pool_manager = None


def _token() -> str | None:
    token_file = os.environ.get(TOKEN_FILE)
    try:
        token = Path(token_file or _POD_TOKEN_FILE).read_text().strip()
    except OSError as error:
        if not token_file:
            return None
        raise DataRefused(
            f"{TOKEN_FILE} must name a file with the registry's token; {token_file} cannot be read ({error.strerror}). "
            "Name another one, or unset it where the registry asks for none."
        ) from error
    conceal([token])
    return token


def _is_json(error: ApiException) -> bool:
    return "json" in str((error.headers or {}).get("Content-Type", ""))


def _is_passing(error: Exception) -> bool:
    if isinstance(error, ApiException):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or (error.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, ClientError | OSError)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it did not answer within {_TIMEOUT_SECONDS:g} seconds"
    if isinstance(error, ValidationError | JSONDecodeError):
        return "its answer is not one of a Model Registry"
    if not isinstance(error, ApiException):
        return first_line(error)
    message = getattr(error.data, "message", None) or error.reason
    advice = f"; name a file with its token in {TOKEN_FILE}" if error.status in (401, 403) else ""
    return f"{error.status} {safe(str(message).strip())[:300]}{advice}"
