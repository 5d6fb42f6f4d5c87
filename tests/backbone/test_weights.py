import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from tfx.types.standard_artifacts import Model

from components import whole_files
from components.backbone import modes, weights
from components.backbone.component import Backbone
from components.backbone.kinds import KINDS, Published
from components.backbone.pretrain import list_images, pretrain
from components.backbone.resnet8 import resnet8
from components.backbone.settings import BackboneSettings
from components.cases.pictures import png
from components.errors import DataRefused

pytestmark = pytest.mark.tfx

RESNET50 = KINDS["resnet50"]


def published_at(url: str, digest: str):
    return replace(RESNET50, published=Published(url, digest))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    keras.utils.set_random_seed(3)
    RESNET50.build(32).save_weights(folder / "resnet50_notop.weights.h5")
    return folder


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(published))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/resnet50_notop.weights.h5"
        running.shutdown()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_a_download_is_checked_cached_and_loads(server, published, tmp_path):
    file = published / "resnet50_notop.weights.h5"
    fetched = weights.download_imagenet(published_at(server, md5(file)), str(tmp_path))
    assert fetched.read_bytes() == file.read_bytes()
    backbone = RESNET50.build(32)
    weights.load(backbone, fetched)
    keras.utils.set_random_seed(3)
    assert modes.fingerprint(backbone.weights) == modes.fingerprint(RESNET50.build(32).weights)
    # The second time nothing is fetched: a server that is gone does not matter.
    gone = published_at("http://127.0.0.1:9/resnet50_notop.weights.h5", md5(file))
    assert weights.download_imagenet(gone, str(tmp_path)) == fetched


def test_a_download_with_another_hash_is_refused(server, tmp_path):
    with pytest.raises(DataRefused, match="could not be fetched"):
        weights.download_imagenet(published_at(server, "0" * 32), str(tmp_path))


def test_no_network_is_one_sentence_with_a_way_out(tmp_path):
    with pytest.raises(DataRefused, match=r"could not be fetched.*backbone\.weights=pretrain"):
        weights.download_imagenet(published_at("http://127.0.0.1:9/resnet50.h5", "0" * 32), str(tmp_path))


def test_a_file_of_ones_own_is_copied_under_its_hash(published, tmp_path):
    file = published / "resnet50_notop.weights.h5"
    expected = whole_files.sha256_of(file)
    copy = weights.fetch(str(file), expected, str(tmp_path))
    assert copy == tmp_path / f"{expected}.weights.h5"


def test_a_wrong_hash_prints_both(published, tmp_path):
    file = published / "resnet50_notop.weights.h5"
    with pytest.raises(DataRefused, match=f"is abc, but .* has {whole_files.sha256_of(file)}"):
        weights.fetch(str(file), "abc", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_pipe_in_the_place_of_weights_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "w.h5")
    with pytest.raises(DataRefused, match=r"must be a readable file; .*w\.h5 is not \(is a pipe or a device"):
        weights.fetch(str(tmp_path / "w.h5"), "", str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("uri", "message"), [("model.pkl", "must be pretrain, imagenet"), ("no.h5", "must be a readable")]
)
def test_what_is_no_weights_file_is_refused(uri, message, tmp_path):
    with pytest.raises(DataRefused, match=message):
        weights.fetch(str(tmp_path / uri), "", str(tmp_path / "cache"))


def test_weights_of_another_architecture_are_refused(tmp_path):
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(DataRefused, match="Expected weights of a ResNet50"):
        weights.load(RESNET50.build(32), tmp_path / "other.weights.h5")


def test_code_in_a_crafted_keras_file_is_never_run(tmp_path):
    trap = str(tmp_path / "sprung")
    crafted = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: (open(trap, "w"), x)[1])])  # noqa: SIM115
    Path(trap).unlink()  # Building the model ran the code once; loading it must not.
    crafted.save(tmp_path / "crafted.keras")
    with pytest.raises(DataRefused):
        weights.load(RESNET50.build(32), tmp_path / "crafted.keras")
    assert not Path(trap).exists()


def test_weights_that_unpack_to_gigabytes_are_refused_before_they_are_read(tmp_path):
    with h5py.File(tmp_path / "large.weights.h5", "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (2**31, 5), "u1", chunks=(2**20, 5), compression="gzip")
    with pytest.raises(DataRefused, match=r"Expected weights of a ResNet50 .* unpacks from .* to 10\.0 GiB"):
        weights.load(RESNET50.build(32), tmp_path / "large.weights.h5")


@pytest.mark.usefixtures("no_credentials")
def test_weights_in_a_store_that_does_not_let_us_in_are_a_sentence(tmp_path):
    with pytest.raises(DataRefused, match=r"must be a readable file; s3://bucket/w.h5 is not \(Unable to locate cred"):
        weights.fetch("s3://bucket/w.h5", "", str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").iterdir())


@pytest.fixture(params=[".weights.h5", ".keras", ".h5"])
def narrow(request, tmp_path):
    """Weights of a network with one narrower stage, in every format."""
    from keras.src.legacy.saving import legacy_h5_format

    path = tmp_path / f"narrow{request.param}"
    network = resnet8((32, 32, 3), "resnet8", widths=(32, 64, 96))
    if request.param == ".h5":
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, network)
    elif request.param == ".keras":
        network.save(path)
    else:
        network.save_weights(path)
    return path


def test_weights_of_other_shapes_are_refused_with_file_layer_and_both_shapes(narrow):
    with pytest.raises(DataRefused) as refused:
        weights.load(KINDS["resnet8"].build(32), narrow)
    assert str(refused.value) == (
        f"Expected weights of a ResNet8 without its classifier; {narrow} holds others: its layer stage3_block1_1_conv "
        "has 3x3x64x96 where stage3_block1_1_conv has 3x3x64x128. "
        "Set backbone.kind to the network that the file was saved from, or give another file."
    )


def test_a_refusal_names_the_file_as_the_user_does(narrow):
    with pytest.raises(DataRefused, match=r"; s3://mine/w\.h5 holds others: its layer stage3"):
        weights.load(KINDS["resnet8"].build(32), narrow, "s3://mine/w.h5")


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_reads_its_own_weights_in_every_format_and_no_others(name, tmp_path):
    from keras.src.legacy.saving import legacy_h5_format

    mine, kind = KINDS[name].build(32), KINDS[name]
    mine.save_weights(tmp_path / "mine.weights.h5")
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, mine)
    for file in ("mine.weights.h5", "mine.h5"):
        other = kind.build(32)
        weights.load(other, tmp_path / file)
        assert modes.fingerprint(other.weights) == modes.fingerprint(mine.weights)
        with pytest.raises(DataRefused, match=rf"{file} holds others: it"):
            weights.load(KINDS["resnet8" if name != "resnet8" else "resnet50"].build(32), tmp_path / file)


@pytest.mark.parametrize(("layer", "value"), [("stem_conv", float("nan")), ("stem_conv", float("inf"))])
def test_weights_that_are_no_finite_numbers_are_refused_with_their_layer(layer, value, tmp_path):
    network = KINDS["resnet8"].build(32)
    kernel = network.get_layer(layer).kernel
    kernel.assign(np.full(kernel.shape, value))
    network.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(DataRefused, match=rf"w\.weights\.h5 has a number in .*{layer}/kernel that .* there: {value:g}"):
        weights.load(KINDS["resnet8"].build(32), tmp_path / "w.weights.h5")


def test_a_moving_variance_below_zero_is_refused(tmp_path):
    network = KINDS["resnet8"].build(32)
    variance = next(weight for weight in network.weights if weight.name == "moving_variance")
    variance.assign(np.full(variance.shape, -1.0))
    network.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(DataRefused, match=r"moving_variance that no training leaves there: -1\. Give another"):
        weights.load(KINDS["resnet8"].build(32), tmp_path / "w.weights.h5")


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_a_file_with_a_classifier_is_refused_by_name_and_not_kept(suffix, tmp_path):
    """Keras reads the layers that the network has, and says nothing of the others."""
    network = KINDS["resnet8"].build(32)
    whole = keras.Model(network.input, keras.layers.Dense(3, name="predictions")(network.output))
    file = tmp_path / f"whole{suffix}"
    whole.save(file) if suffix == ".keras" else whole.save_weights(file)
    wanted = BackboneSettings(kind="resnet8", weights=str(file))
    artifact = Model()
    artifact.uri = str(tmp_path / "artifact")
    properties = {
        "settings": wanted.model_dump_json(),
        "image_size": 32,
        "seed": 0,
        "cache_dir": str(tmp_path / "cache"),
    }
    properties |= dict.fromkeys(("source_dir", "cache_key", "code_hash"), "")
    with pytest.raises(DataRefused, match=rf"; {file} holds others: it has a layer predictions, 128x3 and 3, which"):
        Backbone.EXECUTOR_SPEC.executor_class().Do({}, {"backbone": [artifact]}, properties)
    assert not list((tmp_path / "cache").iterdir())


def test_an_optimizers_state_is_no_layer(tmp_path):
    network = KINDS["resnet8"].build(32)
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    network.save(tmp_path / "compiled.keras")
    weights.refuse_surplus(KINDS["resnet8"].build(32), tmp_path / "compiled.keras", "it")


@pytest.mark.long
def test_the_numbers_of_a_network_that_scales_by_itself_are_no_layer_that_ours_lacks(tmp_path):
    keras.applications.EfficientNetV2B0(include_top=False, weights=None, pooling="avg").save_weights(
        file := tmp_path / "its.weights.h5"
    )
    ours = KINDS["efficientnet_v2_b0"].build(32)
    weights.load(ours, file)
    weights.refuse_surplus(ours, file, "it")


def test_what_lies_beside_the_pictures_of_a_source_task_is_no_picture_of_it(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name / "deeper").mkdir(parents=True)
        (tmp_path / name / ".DS_Store").touch()
        (tmp_path / name / "1.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    assert list_images(f"file://{tmp_path}") == ([f"{tmp_path}/cat/1.png", f"{tmp_path}/dog/1.png"], [0, 1], 2)
    (tmp_path / "dog" / "2.png").write_text("no picture")
    wanted = BackboneSettings(kind="resnet8")
    with pytest.raises(DataRefused, match=rf"GIF files alone; {tmp_path}/dog/2.png is none. Remove it"):
        pretrain(str(tmp_path), wanted, 32, 0, tmp_path / "w.weights.h5")
    with pytest.raises(DataRefused, match=r"must be a folder of this machine; memory://there is none"):
        list_images("memory://there")
