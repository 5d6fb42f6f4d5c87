"""Models from elsewhere: read without running what they bring along, or refused in one sentence."""

import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from components.doctor.loading import check_model, load_model
from components.doctor.source import check_source, read_source
from components.errors import DataRefused
from tests.doctor import faults

pytestmark = pytest.mark.tfx


def saved(model: keras.Model, folder: Path) -> str:
    path = str(folder / "model.keras")
    model.save(path)
    return path


def repacked(path: str, name: str, change, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files[name] = change(files.get(name, b""))
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def with_config(path: str, change) -> None:
    repacked(path, "config.json", lambda config: json.dumps(change(json.loads(config))).encode())


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", keras.losses.CategoricalFocalCrossentropy()])
def test_a_keras_file_answers_as_before_and_keeps_its_loss(tmp_path, loss):
    model = faults.convnet(norm=keras.layers.BatchNormalization)
    model.compile("adam", loss)
    loaded = load_model(saved(model, tmp_path))
    pixels = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-6)
    assert loaded.loss is not None


def test_a_lambda_is_refused_before_anything_is_loaded(tmp_path):
    witness = tmp_path / "witness"
    place = str(witness)

    def leave_a_trace(x):
        os.makedirs(place)
        return x

    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(leave_a_trace)])
    path = saved(model, tmp_path)
    assert witness.exists()
    witness.rmdir()
    with pytest.raises(DataRefused, match="has a Lambda layer, which was not loaded"):
        load_model(path)
    assert not witness.exists()


def test_a_class_of_ones_own_is_refused_by_its_name(tmp_path):
    model = faults.convnet(norm=faults.BatchStatistics)
    with pytest.raises(DataRefused, match="needs the class BatchStatistics, which was not loaded"):
        load_model(saved(model, tmp_path))


def test_a_class_that_claims_a_module_elsewhere_is_refused(tmp_path):
    path = saved(faults.convnet(), tmp_path)

    def elsewhere(config):
        config["config"]["layers"][-1] |= {"module": "os", "class_name": "system"}
        return config

    with_config(path, elsewhere)
    with pytest.raises(DataRefused, match=r"needs the class .*, which was not loaded"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("model.keras", None, "there is nothing at"),
        ("model.keras", b"weights", "is neither"),
        ("model.keras", {"a.txt": b""}, "is a zip file without config.json"),
        ("model.h5", {"config.json": b"{}"}, "is neither"),
        ("model.keras", {"config.json": b"{"}, "is no JSON"),
        ("model.keras", {"config.json": b"{}"}, "that this Keras can read"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, name, content, sentence):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with zipfile.ZipFile(path, "w") as archive:
            for inner, data in content.items():
                archive.writestr(inner, data)
    with pytest.raises(DataRefused, match=sentence) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)


def test_what_keras_would_load_is_what_was_looked_at(tmp_path):
    """A zip file may have anything before it, such as HDF5, which Keras loads by its suffix."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Lambda", "config": {}})
        file.attrs["layer_names"] = [b"dense"]
        file.create_group("dense").attrs["weight_names"] = np.zeros(0)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "module": "keras", "config": {}}))
    with pytest.raises(DataRefused, match=r"MODEL must be a \.keras file .* is neither"):
        check_model(str(path))
    assert read_source(str(path)) == {}
    with h5py.File(path, "a") as file:
        file["link"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(DataRefused, match="has a link instead of data"):
        check_source(str(path))
    (tmp_path / "source.keras").write_bytes(path.read_bytes()[:2048])
    with pytest.raises(DataRefused, match=r"The source backbone must be a \.keras file .* is neither"):
        check_source(str(tmp_path / "source.keras"))


def without_a_layer(weights: bytes) -> bytes:
    file = io.BytesIO(weights)
    with h5py.File(file, "r+") as opened:
        del opened["layers/dense"]
    return file.getvalue()


def deep(config):
    """Python reads so much, and Keras, which goes through it in several steps a level, does not."""
    for _ in range(150):
        config = {"class_name": "Sequential", "module": "keras", "config": {"layers": [config]}}
    return config


def unknown(config):
    config["config"]["layers"][-1]["class_name"] = "Densest"
    return config


def as_json(change):
    return lambda config: json.dumps(change(json.loads(config))).encode()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.weights.h5", without_a_layer),
        ("config.json", as_json(deep)),
        ("config.json", as_json(unknown)),
        ("config.json", as_json(lambda config: config | {"compile_config": {"optimizer": 3}})),
    ],
)
def test_what_keras_cannot_load_is_one_sentence(tmp_path, name, change):
    path = saved(faults.convnet(), tmp_path)
    repacked(path, name, change)
    with pytest.raises(DataRefused, match=r"(that this Keras can read|config\.json .* is (no )?JSON)") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_keras_file_may_be_compressed_but_not_unpack_to_much_more(tmp_path):
    path = saved(faults.convnet(), tmp_path)
    repacked(path, "metadata.json", lambda data: data, zipfile.ZIP_DEFLATED)
    load_model(path)
    repacked(path, "assets/words.txt", lambda _: bytes(100 * 2**20), zipfile.ZIP_DEFLATED)
    with pytest.raises(DataRefused, match=r"unpacks from .* to 100\.\d MiB, and at most"):
        load_model(path)


@pytest.mark.parametrize("damaged", ["variables.index", "variables.data-00000-of-00001"])
def test_a_saved_model_without_its_variables_is_one_sentence(tmp_path, damaged):
    faults.convnet().export(tmp_path / "export", verbose=False)
    (tmp_path / "export" / "variables" / damaged).unlink()
    with pytest.raises(DataRefused, match="must be a SavedModel that this TensorFlow can load") as caught:
        load_model(str(tmp_path / "export"))
    assert "\n" not in str(caught.value)


def test_a_saved_model_answers_as_before_in_inference_mode(tmp_path):
    model = faults.convnet(norm=keras.layers.BatchNormalization)
    model.export(tmp_path / "export", verbose=False)
    loaded = load_model(str(tmp_path / "export"))
    pixels = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-5)


def test_a_saved_model_that_reads_files_is_refused_before_it_is_loaded(tmp_path):
    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4])])
        def serve(self, x):
            return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)

    reader = Reader()
    tf.saved_model.save(reader, str(tmp_path / "export"), signatures=reader.serve)
    with pytest.raises(DataRefused, match="has the operations ReadFile, which are not known"):
        load_model(str(tmp_path / "export"))


def test_a_folder_without_a_graph_is_refused(tmp_path):
    with pytest.raises(DataRefused, match=r"has no saved_model\.pb"):
        load_model(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(DataRefused, match="is damaged"):
        load_model(str(tmp_path))
