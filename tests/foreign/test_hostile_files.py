"""A hostile file of each format is one sentence, within a second or two, and TensorFlow is not started for it."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from components.errors import DataRefused
from components.foreign import archives, csv_text, files, json_text, saved_models, tfrecords
from components.foreign.files import Unreadable
from components.ingest.settings import DataSettings
from components.ingest.sources import list_source
from components.predict.local import load
from pipeline.config_sources import from_file
from pipeline.runners.kubeflow.package import read_package

ROOT = Path(__file__).parents[2]


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 2**30)


# What lies in the place of a file.
PLACES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pipe": (os.mkfifo, "is a pipe or a device, and a file is expected"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device, and a file is expected"),
    "sparse": (sparse, "has 5.0 GiB, and at most"),
}
READS: dict[str, Callable[[Path], Any]] = {
    "a.json": json_text.read,
    "a.csv": lambda path: list_source(DataSettings(uri=str(path))),
    "a.parquet": lambda path: list_source(DataSettings(uri=str(path))),
    "a.yaml": read_package,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", READS)
def test_what_is_no_file_or_far_too_large_is_not_read(tmp_path, name, place):
    make, sentence = PLACES[place]
    make(tmp_path / name)
    with pytest.raises(ValueError, match=sentence) as caught:
        READS[name](tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.keras", "weights.h5", "data.npz"])
def test_a_pipe_in_the_place_of_weights_or_arrays_is_not_waited_for(tmp_path, name):
    check = {"model.keras": archives.check_keras, "weights.h5": archives.check_h5}
    os.mkfifo(tmp_path / name)
    with pytest.raises(Unreadable, match="is a pipe"):
        check.get(name, lambda path: archives.check_arrays(path, ("x",)))(tmp_path / name)


@pytest.mark.parametrize("make", [sparse, lambda path: path.symlink_to("/dev/zero")])
def test_a_configuration_without_end_is_not_read_to_its_end(tmp_path, make):
    make(tmp_path / "run.yaml")
    with pytest.raises(DataRefused, match=r"run\.yaml: expected a configuration; it has more than 1\.0 MiB"):
        from_file(str(tmp_path / "run.yaml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[" * 100_000, "is JSON that is nested more than 200 levels deep"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "is JSON that is nested more than 200 levels deep"),
        (b'{"module": "keras", "module": "os"}', "is no JSON ('module' is given twice)"),
        (b'{"a": "\xff"}', "is no JSON ('utf-8' codec can't decode"),
        (b"9" * 5_000, "is no JSON (Exceeds the limit"),
        (b'{"a": 1} {}', "is no JSON (Extra data"),
        (b'{"a\0": 1}', "is no JSON (Invalid control character"),
        (b"", "is no JSON (Expecting value"),
    ],
)
def test_json_that_is_none_or_too_deep_is_one_sentence(text, sentence):
    with pytest.raises(Unreadable) as caught:
        json_text.parse(text)
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


def test_numbers_that_are_none_are_absent():
    assert json_text.parse('{"a": NaN, "b": [Infinity, -Infinity, 1e999, 1.5], "c": 2}') == {
        **{"a": None, "b": [None, None, None, 1.5]},
        "c": 2,
    }
    assert json_text.parse("[" * 200 + "]" * 200)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [touch x]",
        "[" * 5_000,
        "x0: &x0 [a, a]\n" + "\n".join(f"x{n + 1}: &x{n + 1} [*x{n}, *x{n}]" for n in range(17)),
        "pipelineInfo: 1\npipelineInfo: 2",
        '"\\0": 1',
        "a: !!int x",
    ],
)
def test_yaml_that_makes_objects_or_grows_is_no_compiled_pipeline(tmp_path, text):
    path = tmp_path / "training.yaml"
    path.write_text(text)
    with pytest.raises(DataRefused, match="expected a compiled pipeline; it is something else") as caught:
        read_package(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataRefused, match="expected YAML"):
        from_file(str(path))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"uri,label\n" + b"a" * 2**21, "a line has more than 1048576 characters"),
        (b"uri,label\n" + b"a" * 2**18 + b",cat", "field larger than field limit"),
        (b"\xff\xfe\x00", "is not CSV in UTF-8"),
    ],
)
def test_csv_of_lines_without_end_is_one_sentence(data, sentence):
    with pytest.raises(DataRefused, match=sentence) as caught:
        list(csv_text.read_rows(data, "The manifest a.csv")[1])
    assert "\n" not in str(caught.value)


def test_csv_of_more_rows_than_anybody_has_pictures_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(csv_text, "_MOST_ROWS", 10)
    names, rows = csv_text.read_rows(b"uri,label\n" + b"a,b\n" * 10, "The manifest a.csv")
    assert (names, len(list(rows))) == (["uri", "label"], 10)
    with pytest.raises(DataRefused, match="at most 10 rows"):
        list(csv_text.read_rows(b"uri,label\n" + b"a,b\n" * 11, "The manifest a.csv")[1])


def record(length: int) -> bytes:
    from apache_beam.io.tfrecordio import _TFRecordUtil

    head = struct.pack("<Q", length)
    return head + struct.pack("<I", _TFRecordUtil._masked_crc32c(head)) + b"picture"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("length", [2**60, 5 * 2**30])
def test_a_record_of_a_length_that_nobody_writes_is_not_read(pack, length):
    with pytest.raises(Unreadable, match=r"has a record of .* GiB, and at most 512\.0 MiB are read"):
        list(tfrecords.records(io.BytesIO(pack(record(length)))))


def npy(descr: str, shape: tuple[int, ...], data: bytes) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": descr})
    return file.getvalue() + data


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (npy("|O", (1,), b"cos\nsystem\n(S'touch x'\ntR."), "has Python objects in it"),
        (npy("<f4", (10**12,), b""), "is not as long as its shape"),
        (b"cos\nsystem\n(S'touch x'\ntR.", "is damaged"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "is damaged"),
    ],
)
def test_an_array_of_objects_or_of_a_terabyte_is_not_made(data, sentence):
    with pytest.raises(Unreadable, match=sentence) as caught:
        archives.parse_array(data)
    assert "\n" not in str(caught.value)
    assert archives.parse_array(npy("<f4", (1,), bytes(4))).tolist() == [0]


def test_what_gzip_packed_is_unpacked_to_so_much_and_no_more():
    assert files.unpacked(gzip.compress(bytes(100)), 100) == bytes(100)
    for data in (gzip.compress(bytes(2**26)), gzip.compress(b"text")[:-3]):
        with pytest.raises(Unreadable, match=r"is cut off, or unpacks to more than 1\.0 MiB"):
            files.unpacked(data, 2**20)
    with pytest.raises(Unreadable, match="is damaged"):
        files.unpacked(b"text", 100)


def saved_model(folder: Path, *operations: str) -> Path:
    model = saved_models._message()()
    graph = model.meta_graphs.add()
    graph.object_graph_def.nodes.add()
    for name in operations:
        graph.graph_def.node.add(name=name, op=name)
    (folder / "export").mkdir()
    (folder / "export" / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder / "export"


def test_a_saved_model_that_does_more_than_compute_is_not_loaded_to_predict(tmp_path):
    place = saved_model(tmp_path, "MatMul", "WriteFile")
    with pytest.raises(DataRefused, match="it has the operations WriteFile, which are not known"):
        load(place)


def test_a_pipe_in_a_saved_model_is_not_waited_for(tmp_path):
    place = saved_model(tmp_path, "MatMul")
    saved_models.read(place)
    (place / "variables").mkdir()
    os.mkfifo(place / "variables" / "variables.index")
    with pytest.raises(Unreadable, match=r"has a pipe or a device at variables/variables\.index"):
        saved_models.read(place)


def keras_file(folder: Path) -> Path:
    layer = {"class_name": "system", "module": "os", "config": {"command": "touch x"}, "registered_name": "system"}
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(layer))
    return folder / "model.keras"


def good_model(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    return folder / "model.keras"


def linked_weights(folder: Path) -> Path:
    with h5py.File(folder / "weights.h5", "w") as file:
        file["vars"] = h5py.ExternalLink("/etc/hostname", "/")
    return folder / "weights.h5"


def objects(folder: Path) -> Path:
    np.savez(folder / "data.npz", x=np.array([1, None]), y=np.arange(2))
    return folder / "data.npz"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model_path": keras_file}, "needs the class system, which was not loaded"),
        ({"model_path": lambda folder: saved_model(folder, "WriteFile")}, "has the operations WriteFile"),
        ({"source_path": linked_weights}, "has a link instead of data"),
        ({"train": objects}, "has Python objects in x.npy"),
    ],
)
def test_tensorflow_is_not_started_to_refuse_what_the_doctor_is_given(tmp_path, given, sentence):
    arguments = {"model_path": good_model(tmp_path), "train": "train.npz", "evaluation": "eval.npz"}
    arguments |= {name: make(tmp_path) for name, make in given.items()}
    code = (
        "import json, sys\n"
        "from components.doctor.files import examine_files\n"
        "from components.errors import DataRefused\n"
        "try:\n"
        "    examine_files(image_size=None, family=None, batch_size=32, **json.loads(sys.argv[1]))\n"
        "except DataRefused as error:\n"
        "    print(json.dumps([str(error), sorted({'tensorflow', 'keras'} & sys.modules.keys())]))\n"
    )
    command = [sys.executable, "-c", code, json.dumps({name: str(value) for name, value in arguments.items()})]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    said, imported = json.loads(done.stdout)
    assert imported == [] and "\n" not in said and sentence in said
