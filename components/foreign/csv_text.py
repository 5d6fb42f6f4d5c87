"""CSV with a line for each row; lines and rows are counted as they are read."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from components.errors import DataRefused

_MOST_ROWS: Final = 10_000_000
_MOST_CHARACTERS: Final = 2**20


def read_rows(data: bytes, name: str) -> tuple[list[str], Iterator[dict[str, str]]]:
    """Reads a CSV file in UTF-8.

    Args:
        data: The whole file.
        name: What to call it in a complaint, such as `The manifest images.csv`.

    Returns:
        The names of the columns, none for an empty file; and the rows, which raise as this function does.

    Raises:
        DataRefused: It is no CSV, a field goes over several lines, or there are more or longer rows than a list of
            pictures has.
    """
    rows = _fields(data, name)
    names = next(rows, [])
    return names, (dict(zip(names, fields, strict=False)) for fields in rows if fields)


def _fields(data: bytes, name: str) -> Iterator[list[str]]:
    try:
        reader = csv.reader(_lines(data), strict=True)
        for number, fields in enumerate(reader):
            # A quotation mark that nobody closes takes the rows up to the next one into its field.
            if any("\n" in text or "\r" in text for text in fields):
                raise csv.Error(f"a field that ends in line {reader.line_num} goes over several lines")
            if number > _MOST_ROWS:
                raise DataRefused(f"{name} must have at most {_MOST_ROWS} rows; it has more.")
            yield fields
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataRefused(
            f"{name} is not CSV in UTF-8 with a line for each image ({error}); close or remove lone quotation marks, "
            "or export it again."
        ) from error


def _lines(data: bytes) -> Iterator[str]:
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    while line := text.readline(_MOST_CHARACTERS + 1):
        if len(line) > _MOST_CHARACTERS:
            raise csv.Error(f"a line has more than {_MOST_CHARACTERS} characters")
        yield line
