import keras
import numpy as np
import pytest

from components.backbone import freezing, modes
from components.backbone.kinds import KINDS
from components.backbone.layers import batch_norm_layers
from components.trainer.classifier import assemble, build_head
from components.trainer.settings import HeadSettings

pytestmark = pytest.mark.tfx

IMAGES = np.random.default_rng(0).normal(0, 60, (16, 32, 32, 3)).astype(np.float32)
RESNET50 = KINDS["resnet50"]
LABELS = keras.utils.to_categorical(np.arange(16) % 4, 4)


def compiled(backbone: keras.Model, frozen_batch_norm: bool = True) -> keras.Model:
    model = assemble(backbone, build_head(HeadSettings(), backbone.output_shape[-1], 4), frozen_batch_norm)
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy")
    return model


def test_a_frozen_backbone_is_untouched_by_training_and_the_same_in_both_modes():
    backbone = RESNET50.build(32)
    freezing.freeze(backbone)
    before = modes.fingerprint(backbone.weights)
    model = compiled(backbone)
    model.fit(IMAGES, LABELS, verbose=0)
    proof = freezing.prove(backbone, 0, before, backbone.weights, freezing.mode_difference(model, IMAGES))
    assert proof.passed and proof.trainable_weights == 0 and proof.num_batch_norm_layers == 53


@pytest.mark.parametrize("blocks", [1, 4, "all"])
def test_fine_tuning_trains_the_asked_kernels_and_no_batch_norm(blocks):
    backbone = RESNET50.build(32)
    freezing.freeze(backbone)
    freezing.unfreeze_top(backbone, blocks)
    frozen = freezing.frozen_variables(backbone, blocks)
    before, all_before = modes.fingerprint(frozen), modes.fingerprint(backbone.weights)
    model = compiled(backbone)
    model.fit(IMAGES, LABELS, verbose=0)
    proof = freezing.prove(backbone, blocks, before, frozen, freezing.mode_difference(model, IMAGES))
    assert proof.passed, proof.findings
    # Three convolutions a block, kernel and bias; the first block of a stage has a shortcut besides.
    assert proof.trainable_weights == {1: 6, 4: 26, "all": 106}[blocks]
    assert modes.fingerprint(backbone.weights) != all_before


def test_the_usual_recipe_of_unfreezing_everything_is_caught():
    backbone = RESNET50.build(32)
    freezing.freeze(backbone)
    frozen = list(backbone.weights)
    model = compiled(backbone)
    before = modes.fingerprint(frozen)
    backbone.trainable = True  # Keras 3 now runs BatchNorm on batch statistics, `training=False` or not.
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy")
    model.fit(IMAGES, LABELS, verbose=0)
    proof = freezing.prove(backbone, 0, before, frozen, freezing.mode_difference(model, IMAGES))
    assert not proof.passed
    assert [finding.split(":")[0] for finding in proof.findings[:1]] == ["frozen weights changed"]
    assert any("weights are trainable" in finding for finding in proof.findings)
    assert any("mode differ" in finding for finding in proof.findings)


def test_measuring_the_modes_changes_no_variable_and_ignores_dropout():
    backbone = RESNET50.build(32)
    model = compiled(backbone, frozen_batch_norm=False)
    before = modes.fingerprint(model.variables)
    assert freezing.mode_difference(model, IMAGES) > 1e-3
    assert modes.fingerprint(model.variables) == before


def test_from_scratch_every_weight_must_be_trainable():
    backbone = RESNET50.build(32, momentum=0.9)
    assert freezing.prove_nothing_frozen(backbone).passed
    next(batch_norm_layers(backbone)).trainable = False
    assert not freezing.prove_nothing_frozen(backbone).passed


def test_more_blocks_than_there_are_is_one_clear_sentence():
    with pytest.raises(ValueError, match="must be 0 to 16 or all; received 17"):
        RESNET50.top_blocks(RESNET50.build(32), 17)
