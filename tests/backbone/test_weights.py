import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import pytest

from components.backbone import modes, resnet50, weights
from components.errors import DataRefused

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    keras.utils.set_random_seed(3)
    resnet50.build(32).save_weights(folder / "resnet50_notop.weights.h5")
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
    fetched = weights.download_imagenet(str(tmp_path), server, md5(file))
    assert fetched.read_bytes() == file.read_bytes()
    backbone = resnet50.build(32)
    weights.load(backbone, fetched)
    keras.utils.set_random_seed(3)
    assert modes.fingerprint(backbone.variables) == modes.fingerprint(resnet50.build(32).variables)
    # The second time nothing is fetched: a server that is gone does not matter.
    assert (
        weights.download_imagenet(str(tmp_path), "http://127.0.0.1:9/resnet50_notop.weights.h5", md5(file)) == fetched
    )


def test_a_download_with_another_hash_is_refused(server, tmp_path):
    with pytest.raises(DataRefused, match="could not be fetched"):
        weights.download_imagenet(str(tmp_path), server, "0" * 32)


def test_no_network_is_one_sentence_with_a_way_out(tmp_path):
    with pytest.raises(DataRefused, match=r"could not be fetched.*backbone\.weights=pretrain"):
        weights.download_imagenet(str(tmp_path), "http://127.0.0.1:9/resnet50.h5", "0" * 32)


def test_a_file_of_ones_own_is_copied_under_its_hash(published, tmp_path):
    file = published / "resnet50_notop.weights.h5"
    expected = weights.sha256_of(file)
    copy = weights.fetch(str(file), expected, str(tmp_path))
    assert copy == tmp_path / f"{expected}.weights.h5"


def test_a_wrong_hash_prints_both(published, tmp_path):
    file = published / "resnet50_notop.weights.h5"
    with pytest.raises(DataRefused, match=f"is abc, but .* has {weights.sha256_of(file)}"):
        weights.fetch(str(file), "abc", str(tmp_path))
    assert not list(tmp_path.iterdir())


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
        weights.load(resnet50.build(32), tmp_path / "other.weights.h5")


def test_code_in_a_crafted_keras_file_is_never_run(tmp_path):
    trap = str(tmp_path / "sprung")
    crafted = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: (open(trap, "w"), x)[1])])  # noqa: SIM115
    Path(trap).unlink()  # Building the model ran the code once; loading it must not.
    crafted.save(tmp_path / "crafted.keras")
    with pytest.raises(DataRefused):
        weights.load(resnet50.build(32), tmp_path / "crafted.keras")
    assert not Path(trap).exists()


def test_weights_that_unpack_to_gigabytes_are_refused_before_they_are_read(tmp_path):
    with h5py.File(tmp_path / "large.weights.h5", "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (2**31, 5), "u1", chunks=(2**20, 5), compression="gzip")
    with pytest.raises(DataRefused, match=r"Expected weights of a ResNet50 .* unpacks from .* to 10\.0 GiB"):
        weights.load(resnet50.build(32), tmp_path / "large.weights.h5")


@pytest.mark.usefixtures("no_credentials")
def test_weights_in_a_store_that_does_not_let_us_in_are_a_sentence(tmp_path):
    with pytest.raises(DataRefused, match=r"must be a readable file; s3://bucket/w.h5 is not \(Unable to locate cred"):
        weights.fetch("s3://bucket/w.h5", "", str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").iterdir())
