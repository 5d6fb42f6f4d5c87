"""Files that unpack to more than they should, or to nothing: refused before they are unpacked, without TensorFlow."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from components.foreign.archives import check_arrays, check_h5, check_keras
from components.foreign.files import Unreadable

ROOT = Path(__file__).parents[2]


def weights(fill: Callable[[h5py.File], object]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        fill(opened)
    return file.getvalue()


PLAIN = weights(lambda file: file.create_dataset("layers/dense/vars/0", data=np.ones((4, 2), np.float32)))


def keras_file(folder: Path, **entries: bytes) -> Path:
    path = folder / "model.keras"
    files = {"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": PLAIN}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (files | {name.replace("__", "."): data for name, data in entries.items()}).items():
            archive.writestr(name, data)
    return path


def blank(file: h5py.File) -> None:
    """Ten gigabytes in a file of two kilobytes: nothing of it is stored."""
    file.create_dataset("vars/0", (2**31, 5), "u1", chunks=(2**20, 5), compression="gzip")


def elsewhere(file: h5py.File) -> None:
    file.create_dataset("vars/0", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    file.create_virtual_dataset("vars/0", layout)


def link(file: h5py.File) -> None:
    file["vars"] = h5py.ExternalLink("/etc/hostname", "/")


def texts(file: h5py.File) -> None:
    file.create_dataset("vars/0", (4,), h5py.string_dtype())


def chunk(file: h5py.File) -> None:
    """One number, for which half a gigabyte is unpacked."""
    file.create_dataset("vars/0", (1,), "f4", maxshape=(None,), chunks=(2**27,), compression="gzip")


def one_long_text(file: h5py.File) -> None:
    """Each of the other names may be stored as the same long text: HDF5 does not tell before it reads them."""
    names = np.array(["a" * 100_000, *"b" * 3_999], dtype=object)
    file.attrs.create("layer_names", names, dtype=h5py.string_dtype())


def lists(file: h5py.File) -> None:
    rows = np.empty(2, dtype=object)
    rows[:] = [np.ones(2, np.float32), np.ones(3, np.float32)]
    file.attrs.create("layer_names", rows, dtype=h5py.vlen_dtype("f4"))


def circle(file: h5py.File) -> None:
    file.create_dataset("a/b/0", data=np.ones(3))
    file["a/b/c"] = file["a"]


HOSTILE = {
    blank: "unpacks from 0.0 MiB to 10.0 GiB",
    elsewhere: "has its data elsewhere",
    virtual: "has its data elsewhere",
    link: "has a link instead of data",
    texts: "has no numbers",
    chunk: "unpacks from 0.0 MiB to 512.0 MiB",
    lists: "has neither text nor numbers in the attribute 'layer_names'",
    one_long_text: "unpacks from 0.3 MiB to 381.6 MiB",
}


@pytest.mark.parametrize(("fill", "sentence"), HOSTILE.items())
def test_weights_that_are_not_what_they_seem_are_refused_alone_and_in_a_keras_file(tmp_path, fill, sentence):
    (tmp_path / "weights.h5").write_bytes(weights(fill))
    with pytest.raises(Unreadable, match=sentence):
        check_h5(tmp_path / "weights.h5")
    with pytest.raises(Unreadable, match=sentence):
        check_keras(keras_file(tmp_path, model__weights__h5=weights(fill)))


def test_weights_are_passed_as_they_are_and_a_circle_is_walked_once(tmp_path):
    assert check_keras(keras_file(tmp_path)) == b"{}"
    (tmp_path / "weights.h5").write_bytes(weights(circle))
    check_h5(tmp_path / "weights.h5")


def test_zeros_of_an_optimizer_may_be_compressed(tmp_path):
    random, zeros = np.random.default_rng(0).random((512, 512), np.float32), np.zeros((2, 512, 512), np.float32)

    def fill(file: h5py.File) -> None:
        file.create_dataset("vars/0", data=random)
        file.create_dataset("optimizer/vars/0", data=zeros, compression="gzip")

    check_keras(keras_file(tmp_path, model__weights__h5=weights(fill)))


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"assets/big": bytes(100 * 2**20)}, "unpacks from 0.1 MiB to 100.0 MiB, and at most 66"),
        ({"config__json": b" " * (17 * 2**20)}, "has a config.json of 17.0 MiB"),
        ({"model__weights__h5": PLAIN[:900]}, "is damaged"),
        ({"model__weights__h5": b"weights"}, "is damaged"),
    ],
)
def test_a_keras_file_that_unpacks_to_too_much_or_to_nothing_is_refused(tmp_path, entries, sentence):
    with pytest.raises(Unreadable, match=sentence):
        check_keras(keras_file(tmp_path, **entries))


@pytest.mark.parametrize("position", range(40, 3800, 190))
def test_a_flipped_byte_of_a_keras_file_is_a_refusal_or_changes_nothing(tmp_path, position):
    path = keras_file(tmp_path, assets=np.random.default_rng(0).bytes(3000))
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)
    try:
        assert check_keras(path) == b"{}"
    except Unreadable as error:
        assert "\n" not in str(error)


def arrays(folder: Path, **entries: np.ndarray) -> Path:
    np.savez_compressed(folder / "data.npz", **entries)
    return folder / "data.npz"


def test_arrays_are_checked_by_what_their_headers_say(tmp_path):
    x, y = np.zeros((10, 4)), np.arange(10)
    assert check_arrays(arrays(tmp_path, x=x, y=y, names=np.array(["a", None])), ("x", "y")) == ["x", "y", "names"]
    with pytest.raises(Unreadable, match=r"has Python objects in x\.npy"):
        check_arrays(arrays(tmp_path, x=np.array([1, None])), ("x",))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (10**12,), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(tmp_path / "long.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(Unreadable, match=r"is not as long as its shape \(1000000000000,\) says"):
        check_arrays(tmp_path / "long.npz", ("x",))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2**20))
        archive.getinfo("x.npy").file_size = 5 * 2**30
    with pytest.raises(Unreadable, match=r"unpacks from 0\.0 MiB to 5\.0 GiB"):
        check_arrays(tmp_path / "bomb.npz", ("x",))


def deep_json(folder: Path) -> Path:
    return keras_file(folder, config__json=b"[" * 100_000 + b"]" * 100_000)


def torch_module(folder: Path) -> Path:
    layer = {"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {"module": "UEs="}}
    return keras_file(folder, config__json=json.dumps({"class_name": "Sequential", "config": [layer]}).encode())


def bad_checksum(folder: Path) -> Path:
    path = keras_file(folder)
    data = bytearray(path.read_bytes())
    # Of the first entry, in the directory.
    data[data.index(b"PK\1\2") + 16] ^= 1
    path.write_bytes(data)
    return path


def gigabytes(folder: Path) -> Path:
    return keras_file(folder, model__weights__h5=weights(blank))


def weights_instead_of_a_model(folder: Path) -> Path:
    (folder / "model.h5").write_bytes(PLAIN)
    return folder / "model.h5"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (deep_json, "the config.json in {} is JSON that is nested more than 200 levels deep"),
        (torch_module, "{} has a TorchModuleWrapper layer, which was not loaded"),
        (bad_checksum, "{} is damaged (Bad CRC-32 for file 'config.json')"),
        (gigabytes, "unpacks from 0.0 MiB to 10.0 GiB"),
        (weights_instead_of_a_model, "{} is neither"),
    ],
)
def test_the_doctor_refuses_a_file_by_its_bytes_without_starting_tensorflow(tmp_path, make, sentence):
    path = make(tmp_path)
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from pipeline.cli.main import main\n"
        f"sys.argv = ['frostgate', 'doctor', {str(path)!r}, '--train', 'train', '--eval', 'eval']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("frostgate: MODEL must ") and sentence.format(path) in done.stderr


def test_a_file_that_a_failed_load_left_open_does_not_crash_the_process_at_its_end():
    """HDF5 would close it after Python has ended, through a Python object; here a thread that goes on has it."""
    script = """
import io, sys, threading, time
import h5py
import components.foreign.archives

data, is_open = io.BytesIO(), threading.Event()
with h5py.File(data, "w") as file:
    file["x"] = 1

def hold():
    file = h5py.File(data)
    is_open.set()
    time.sleep(60)

threading.Thread(target=hold, daemon=True).start()
is_open.wait()
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 2
