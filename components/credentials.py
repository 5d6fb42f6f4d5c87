"""Addresses that may hold a password: what is printed, stored and compared of them never does."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Self
from urllib.parse import quote, unquote

from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from components.errors import conceal, has_credentials, login_in, names_secret, public_address
from components.foreign import json_text

# JSON: address without credentials -> the same with them. A step's parameters are stored, its environment is not.
VARIABLE: Final = "FROSTGATE_CREDENTIALS"
# Looked at and not taken: what follows a `;` may be the value's or another parameter.
_PARAMETER: Final = re.compile(r"[?&;#][^=?&;#]*=(?=([^&]*))")
# What ends the host where nothing is to be encoded.
_AUTHORITY: Final = re.compile(r"[/?#]")


class PublicAddress(str):
    """An address without its credentials; as text, in JSON and in a store it is this alone.

    Attributes:
        complete: With the credentials, percent-encoded where a client would misread them.
        login: User and password as they were given; None without.
    """

    complete: str
    login: tuple[str, str] | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Takes the credentials out of an address; into one that has none come those that `lent` lends.

        Raises:
            ValueError: Nobody can tell where the password ends, so that it might be sent to somebody else's host.
        """
        public = public_address(text)
        given = text if public != text else _lent().get(text, text)
        found = cls(public)
        user = login_in(given)
        if has_credentials(public):
            raise ValueError(
                "An address with a password must be given by itself; received a text with one in it. Remove the rest."
            )
        if user and _is_ambiguous(given[len(user["scheme"]) : user.end() - 1]):
            raise ValueError(
                "Of an address with a password it must be clear where the password ends; received one with several @, "
                "and a /, ? or # between them. Write %40 for each @ that does not end the password."
            )
        found.login = _pair(user)
        found.complete = user["scheme"] + _encoded(user) + given[user.end() :] if user else given
        if given != public:
            conceal(_secrets(given, found.login))
        return found


Address = Annotated[str, AfterValidator(PublicAddress.parse)]
"""A setting that may be given with credentials."""


def takes_credentials(field: FieldInfo) -> bool:
    """Whether a setting is an `Address`."""
    return any(getattr(one, "func", None) == PublicAddress.parse for one in field.metadata)


def complete(address: str) -> str:
    """The address as a client needs it, with its credentials."""
    return getattr(address, "complete", address)


def login(address: str) -> tuple[str, str] | None:
    """User and password of an address; None where it has none."""
    return getattr(address, "login", None)


def conceal_environment() -> None:
    """Makes `safe` remove the secrets in this process's environment; libraries read most of them by themselves."""
    for name, value in os.environ.items():
        if name == VARIABLE:
            for address in _lent().values():
                PublicAddress.parse(address)
        elif names_secret(name):
            conceal(_parts(value))
        elif has_credentials(value) or (name.lower().endswith("_proxy") and login_in(value)):
            conceal(_secrets(value, _pair(login_in(value))))


@contextmanager
def lent(addresses: Iterable[str]) -> Iterator[None]:
    """Lets whoever is told these addresses without credentials, in this process or a child, find the credentials."""
    before = os.environ.get(VARIABLE)
    known = _lent() | {str(one): complete(one) for one in addresses if complete(one) != one}
    if known:
        os.environ[VARIABLE] = json.dumps(known)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def _pair(user: re.Match[str] | None) -> tuple[str, str] | None:
    return (user["user"], user["password"] or "") if user else None


def _parts(secret: str) -> Iterator[str]:
    """A secret, and what libraries may say of it alone: what follows an address's host, each header, each key."""
    yield secret
    for header in secret.split(","):
        given = unquote(header.partition("=")[2]).strip()
        # Of `Bearer TOKEN` the token.
        yield from (given, given.rpartition(" ")[2])
    # Of a store's connection string; its other values are words such as https.
    pairs = [pair.partition("=") for pair in secret.split(";")]
    yield from (value for name, _, value in pairs if names_secret(name))
    yield secret.partition("://")[2].partition("/")[2]


def _lent() -> dict[str, str]:
    return json_text.parse(os.environ.get(VARIABLE) or "{}")


def _is_ambiguous(login: str) -> bool:
    """Whether what comes before an address's last @ may be a login with its host."""
    before, *after = _AUTHORITY.split(login, 1)
    return bool(after) and "@" in before


def _encoded(user: re.Match[str]) -> str:
    # What is encoded already stays: %2F is no password's per cent sign.
    parts = (user["user"], user["password"])
    return ":".join(quote(part, safe="%") for part in parts if part is not None) + "@"


def _secrets(text: str, user: tuple[str, str] | None) -> set[str]:
    given = {user[1] or user[0]} if user else set()
    # Parameters that are no secret stay in the public form, and are none here either.
    given |= {value for value in _PARAMETER.findall(text) if value not in public_address(text)}
    return given | {unquote(one) for one in given}
