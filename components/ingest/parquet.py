"""The one door through which Parquet files are read; nothing that they bring along is run."""

from collections.abc import Sequence
from typing import Any

import pyarrow
import pyarrow.parquet
import pyarrow_hotfix

from components.errors import DataRefused

# Arrow keeps the name of a column's own type beside every field, however deeply nested.
_EXTENSION = b"ARROW:extension:name"


def forbid_pickles() -> None:
    """Keeps pyarrow, in this process and its forks, from unpickling what the schema of a file holds (CVE-2023-47248).

    Must have been called before anything opens a Parquet file; a second call does nothing.
    """
    pyarrow_hotfix.install()


def read_rows(data: bytes, name: str, wanted: Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Reads columns of a Parquet file.

    Args:
        data: The whole file.
        name: What to call it in a complaint, such as `The manifest images.parquet`.
        wanted: The columns to read, as far as there are such.

    Returns:
        The names of all columns, and a mapping of the wanted ones for each row.

    Raises:
        DataRefused: It is no Parquet file, or a column has an extension type, which is made by code.
    """
    forbid_pickles()
    refusal = DataRefused(
        f"{name} must have plain columns; it has one of an extension type, and no code was run to make it. "
        "Cast it to what it is stored as, such as text, and write it again."
    )
    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        schema = file.schema_arrow
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(name, error) from error
    # Whatever a type raises when it is made from what the file says.
    except Exception as error:
        raise refusal from error
    if _EXTENSION in schema.serialize().to_pybytes():
        raise refusal
    try:
        rows = file.read([column for column in wanted if column in schema.names]).to_pylist()
    # Python's own, of values such as a date in the year 300000.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(name, error) from error
    return list(schema.names), rows


def _damaged(name: str, error: Exception) -> DataRefused:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    return DataRefused(f"{name} is not a Parquet file that can be read ({said}); write it again.")
