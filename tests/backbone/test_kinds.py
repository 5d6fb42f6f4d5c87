"""Every kind is what its entry says."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from components.backbone import freezing, kinds, modes
from components.backbone.kinds import KINDS
from components.backbone.layers import batch_norm_layers, flatten
from components.trainer.classifier import assemble, build_head
from components.trainer.settings import HeadSettings

pytestmark = pytest.mark.tfx

PICTURES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
LABELS = keras.utils.to_categorical(np.arange(8) % 2, 2)
# What Keras calls them, and whether the network scales pixels by itself unless it is told not to.
APPLICATIONS = {
    "resnet50": ("ResNet50", "resnet", None),
    "resnet50_v2": ("ResNet50V2", "resnet_v2", None),
    "mobilenet_v3_large": ("MobileNetV3Large", "mobilenet_v3", True),
    "efficientnet_v2_b0": ("EfficientNetV2B0", "efficientnet_v2", True),
    "convnext_tiny": ("ConvNeXtTiny", "convnext", True),
}


# Asked of the default and of the small network by make test, of the others by make test-all.
SOME = [pytest.param(name, marks=() if name in ("resnet50", "resnet8") else pytest.mark.long) for name in KINDS]


@pytest.fixture(params=list(KINDS))
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=SOME)
def some_kind(request):
    return KINDS[request.param]


def test_an_entry_says_what_its_network_is(kind):
    network = kind.build(32)
    assert kinds.of(network) is kind
    assert network.output_shape == (None, kind.embedding_size)
    # One tensor in and one out, not lists of one, which nothing can be put on.
    assert keras.Sequential([network, keras.layers.Dense(3)]).output_shape == (None, 3)
    names = {name for _, name in kind._by_block(network) if name}
    assert len(names) == kind.num_blocks
    assert bool(list(batch_norm_layers(network))) is kind.has_batch_norm
    assert not any(isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization) for layer in flatten(network))
    # A weight's name goes into fingerprints, so it must not depend on what was built before.
    assert list(map(modes.stable_name, kind.build(32).weights)) == list(map(modes.stable_name, network.weights))
    if kind.has_batch_norm:
        assert {layer.momentum for layer in batch_norm_layers(kind.build(32, momentum=0.8))} == {0.8}


def test_nothing_above_the_top_blocks_is_left_out(some_kind):
    network = some_kind.build(32)
    trained = {id(weight) for weight in freezing.trained_variables(network, 1)}
    last = [layer for layer in network.layers if any(id(weight) in trained for weight in layer.weights)][-1]
    weighted = [
        layer for layer in network.layers if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert last is weighted[-1]
    assert some_kind.top_blocks(network, 0) == []
    both = freezing.trained_variables(network, 2)
    assert trained < {id(weight) for weight in both}


# Always: everything and nothing of resnet8, and the top two blocks of it, of the default and of the kind without
# BatchNorm. What else resnet50 is asked is in test_freezing.py.
_ALWAYS = {("resnet50", 2), ("convnext_tiny", 2)}
BLOCKS = [
    pytest.param(name, blocks, marks=() if name == "resnet8" or (name, blocks) in _ALWAYS else pytest.mark.long)
    for name in KINDS
    for blocks in (0, 2, "all")
]


@pytest.mark.parametrize(("name", "blocks"), BLOCKS)
def test_what_is_frozen_stays_and_what_is_not_is_trained(name, blocks):
    kind = KINDS[name]
    network = kind.build(32)
    freezing.freeze(network)
    if blocks:
        freezing.unfreeze_top(network, blocks)
    frozen = freezing.frozen_variables(network, blocks)
    trained = freezing.trained_variables(network, blocks)
    before, start = modes.fingerprint(frozen), [weight.numpy().copy() for weight in trained]
    model = assemble(network, build_head(HeadSettings(), kind.embedding_size, 2), frozen_batch_norm=True)
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
    pixels = kind.family.apply(PICTURES)
    model.fit(pixels, LABELS, epochs=2, batch_size=4, verbose=0)
    proof = freezing.prove(network, blocks, before, frozen, freezing.mode_difference(model, pixels))
    assert proof.passed, proof.findings
    assert proof.trainable_weights == len(trained) == proof.expected_trainable_weights
    assert proof.num_batch_norm_layers == sum(1 for _ in batch_norm_layers(network))
    changed = sum(not np.array_equal(old, new.numpy()) for old, new in zip(start, trained, strict=True))
    # A bias before a normalisation has no gradient.
    assert changed >= len(trained) / 2


def test_from_scratch_everything_but_moving_statistics_is_trainable(some_kind):
    network = some_kind.build(32)
    assert freezing.prove_nothing_frozen(network).passed
    next(layer for layer in network.layers if layer.weights).trainable = False
    assert not freezing.prove_nothing_frozen(network).passed


def test_a_classifier_is_read_again_in_safe_mode_and_answers_the_same(some_kind, tmp_path):
    head = build_head(HeadSettings(), some_kind.embedding_size, 2)
    model = assemble(some_kind.build(32), head, frozen_batch_norm=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert kinds.of(kinds.within(again)) is some_kind
    pixels = some_kind.family.apply(PICTURES)
    np.testing.assert_allclose(again(pixels, training=False), model(pixels, training=False), atol=1e-6)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_pixels_are_scaled_once_as_the_published_weights_expect(name):
    kind, (title, module, scales) = KINDS[name], APPLICATIONS[name]
    options = {} if scales is None else {"include_preprocessing": True}
    theirs = getattr(keras.applications, title)(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg", **options
    )
    given = getattr(keras.applications, module).preprocess_input(PICTURES.copy())
    ours = kind.build(32)
    ours.set_weights(theirs.get_weights())
    expected = np.asarray(theirs(given, training=False))
    found = np.asarray(ours(kind.family.apply(PICTURES), training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    twice = np.asarray(ours(kind.family.apply(kind.family.apply(PICTURES)), training=False))
    assert np.abs(twice - expected).max() > 10 * np.abs(found - expected).max()


@pytest.mark.parametrize("name", APPLICATIONS)
def test_published_weights_are_those_that_keras_downloads(name, monkeypatch):
    asked = []

    def remember(file_name, origin, file_hash, **rest):
        asked.append((origin, file_hash))
        raise ConnectionError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", remember)
    with pytest.raises(ConnectionError):
        getattr(keras.applications, APPLICATIONS[name][0])(
            include_top=False, weights="imagenet", input_shape=(224, 224, 3), pooling="avg"
        )
    published = KINDS[name].published
    assert published is not None and asked == [(published.url, published.digest)]


def test_the_entries_are_read_without_keras():
    script = (
        "import sys, json; from components.backbone.kinds import KINDS; from components.backbone.settings import "
        "BackboneSettings; print(json.dumps([BackboneSettings().model_dump(mode='json')['kind'], "
        "'keras' in sys.modules, 'tensorflow' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["resnet50", False, False]


def test_a_network_of_no_kind_is_one_sentence():
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="mine")
    with pytest.raises(ValueError, match=r"expected one of the networks resnet50, .* received mine"):
        kinds.of(other)
    with pytest.raises(ValueError, match=r"expected a classifier with one of resnet50, .*; received mine without"):
        kinds.within(other)
