"""The one door through which Parquet files are read; nothing that they bring along is run."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pyarrow_hotfix

from components.errors import DataRefused

# Arrow keeps the name of a column's own type beside every field, however deeply nested.
_EXTENSION = b"ARROW:extension:name"
# A dictionary lets a file of a kilobyte have millions of rows, each of them a long text.
_MOST_ROWS: Final = 10_000_000
_MOST_BYTES: Final = 2**16
_MOST_TEXT: Final = 2**30


def forbid_pickles() -> None:
    """Keeps pyarrow, in this process and its forks, from unpickling what the schema of a file holds (CVE-2023-47248).

    Must have been called before anything opens a Parquet file; a second call does nothing.
    """
    pyarrow_hotfix.install()


def read_rows(data: bytes, name: str, wanted: Sequence[str]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Reads columns of a Parquet file.

    Args:
        data: The whole file.
        name: What to call it in a complaint, such as `The manifest images.parquet`.
        wanted: The columns to read, as far as there are such.

    Returns:
        The names of all columns, and a mapping of the wanted ones for each row, made when it is asked for; the rows
        raise as this function does.

    Raises:
        DataRefused: It is no Parquet file, has more rows or longer values than a list of pictures would, or a column
            has an extension type, which is made by code.
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
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) > _MOST_ROWS:
        raise _too_large(name, f"at most {_MOST_ROWS} rows")
    if any(pyarrow.types.is_nested(field.type) for field in schema if field.name in wanted):
        raise _too_large(name, "one text or number a row")
    return list(schema.names), _rows(data, name, [column for column in wanted if column in schema.names])


def _rows(data: bytes, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    text = 0
    try:
        shared = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data), read_dictionary=columns)
        for batch in shared.iter_batches(columns=columns):
            text += sum(_bytes_of(column, name) for column in batch.columns)
            if text > _MOST_TEXT:
                raise _too_large(name, f"at most {_MOST_TEXT // 2**30} GiB of text")
            yield from batch.to_pylist()
    except DataRefused:
        raise
    # Python's own, of values such as a date in the year 300000 or a time zone that nobody knows.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, LookupError, MemoryError) as error:
        raise _damaged(name, error) from error


def _bytes_of(column: pyarrow.Array, name: str) -> int:
    """How much text the rows of a column hold together, before Python has any of it."""
    is_shared = pyarrow.types.is_dictionary(column.type)
    values = column.dictionary if is_shared else column
    try:
        lengths = pyarrow.compute.binary_length(values)
    # Numbers and dates have none.
    except pyarrow.ArrowNotImplementedError:
        return 0
    if (pyarrow.compute.max(lengths).as_py() or 0) > _MOST_BYTES:
        raise _too_large(name, f"values of at most {_MOST_BYTES} bytes")
    return pyarrow.compute.sum(lengths.take(column.indices) if is_shared else lengths).as_py() or 0


def _too_large(name: str, expected: str) -> DataRefused:
    return DataRefused(f"{name} must have {expected} in the columns that are read; it has more.")


def _damaged(name: str, error: Exception) -> DataRefused:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    return DataRefused(f"{name} is not a Parquet file that can be read ({said}); write it again.")
