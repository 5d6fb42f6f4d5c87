"""Errors that mean something to whoever started a run, and what may be said of them: no passwords."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

# Digits between a colon and a slash are a port's: what comes after them is a path, whatever is in it.
_PORT: Final = r"""(?![^\s/:@"'<>]*:\d{1,5}/)"""
# A password may hold `/`, `@` and `?`: with a user before it, everything up to the last @ of a word belongs to it.
_USER: Final = re.compile(rf"""(?<=://){_PORT}(?:[^\s/:"'<>]*:[^\s"'<>]*|[^\s/"'<>]*)@""")
# The same of an address by itself, in which a password may hold quotes and blanks as well.
_LOGIN: Final = re.compile(
    rf"(?P<scheme>[a-z][\w+.-]*://|(?=[^/:@]+:(?!//).*@)){_PORT}(?P<user>[^/:@]*)(?::(?P<password>.*))?@",
    re.IGNORECASE | re.DOTALL,
)
_NAME: Final = (
    r"(?P<name>[?&;#](?:[\w.-]*(?:token|secret|passw|passphrase|pwd|signature|credential|auth|bearer|session)[\w.-]*"
    r"|x-(?:amz|goog)-[\w-]+|(?:[\w.-]*[_-])?(?:key|keyid|key_id|pass|pw|jwt)|apikey|accesskey|awsaccesskeyid|sig"
    r"|odbc_connect|connection_?string)=)"
)
_PARAMETER: Final = re.compile(rf"""{_NAME}[^\s&;#"'<>]+""", re.IGNORECASE)
# The same of an address by itself, whose values end at the next parameter alone.
_WHOLE_PARAMETER: Final = re.compile(rf"{_NAME}[^&]+", re.IGNORECASE)
# Not those that name a file with one, an id or a user.
_SECRET_NAME: Final = re.compile(
    r"(?:.*[_-])?(?:password|passwd|token|secret|headers|connection[_-]?string|webhook(?:[_-]?url)?|notify[_-]url"
    r"|(?:secret|access|api|account|storage|private|shared)[_-]?(?:access[_-]?)?key)",
    re.IGNORECASE,
)
# Shorter ones stand in too many words.
_SHORTEST: Final = 4
_concealed: set[str] = set()


class DataRefused(ValueError):
    """The data or the configuration is bad; nothing of ours failed. The message is one sentence for the user.

    Attributes:
        found: What was found out about the data, as JSON; None where they were not looked at as a whole.
    """

    def __init__(self, message: str, found: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.found = found


class ArtifactChanged(RuntimeError):
    """What a step made is no longer what a later one judged; the step has to make it again.

    Attributes:
        folder: Of the artifact that changed.
    """

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"{folder}: {reason}.")
        self.folder = folder


def conceal(secrets: Iterable[str]) -> None:
    """Makes `safe` remove these texts wherever they stand, percent-encoded too; in this process."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            _concealed.update((secret, quote(secret), quote(secret, safe=""), quote_plus(secret)))


def without_credentials(text: str) -> str:
    """Removes users and passwords, tokens, keys and signatures from every address in a text.

    `user:password@` goes, with `/` or `@` in the password as well; of parameters such as `?token=` the value goes.
    """
    return _PARAMETER.sub(r"\g<name>", _USER.sub("", text))


def login_in(address: str) -> re.Match[str] | None:
    """User and password, with the scheme before them, at the beginning of an address; None where it has none.

    Args:
        address: By itself, and not in a sentence; with a scheme, or as in `user:password@host:9091`.
    """
    return _LOGIN.match(address)


def public_address(address: str) -> str:
    """An address by itself, without its credentials."""
    found = login_in(address)
    rest = found["scheme"] + address[found.end() :] if found else address
    return without_credentials(_WHOLE_PARAMETER.sub(r"\g<name>", rest))


def public_place(place: str) -> str:
    """A path or an address by itself, without the address's credentials."""
    # A path such as tfds:NAME@FOLDER only looks like a user with a password.
    return public_address(place) if "://" in place else without_credentials(place)


def has_credentials(text: str) -> bool:
    """Whether a text is or holds an address with credentials, wherever in it that begins; percent-encoded, too."""
    return any(map(_has_credentials, {text, unquote(text)}))


def _has_credentials(text: str) -> bool:
    # What the scheme is called does not matter; looking for its name would take a long text's length squared.
    addresses = (f"x{text[found.start() :]}" for found in re.finditer("://", text))
    return any(map(login_in, addresses)) or public_place(text) != text


def names_secret(name: str) -> bool:
    """Whether a variable or a flag of this name has a secret for a value, as AWS_SECRET_ACCESS_KEY has."""
    return _SECRET_NAME.fullmatch(name) is not None


def safe(text: str) -> str:
    """A text of others, such as a library's error, as it may be logged, shown, stored and sent.

    Besides the credentials in addresses, what `conceal` was told of goes. Addresses themselves are not for this: a host
    may be called as the password is.
    """
    found = text
    # Before addresses are looked for: of a token with a quote in it they would leave what comes after. The longest
    # first: one may be part of another.
    for secret in sorted(_concealed, key=len, reverse=True):
        found = found.replace(secret, "***")
    return without_credentials(found)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, short and without credentials; its kind where there is no text."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return safe(line)[:300]


def place_of(error: OSError) -> str | None:
    """Where an operation on files failed; of a copy or a move that ran out of room that is where it was to go."""
    return error.filename2 or error.filename
