import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.backbone.kinds import KINDS
from components.preprocessing import CAFFE, FAMILIES
from components.transform.preprocessing import preprocessing_fn, to_index
from components.transform.scaling import to_input
from schemas import features

pytestmark = pytest.mark.tfx


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


PICTURE = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_pixels_are_scaled_exactly_as_keras_scales_them_for_resnet50():
    expected = keras.applications.resnet50.preprocess_input(PICTURE.astype(np.float32))
    family = KINDS["resnet50"].family
    np.testing.assert_array_equal(to_input(tf.constant(PICTURE), 32, family).numpy(), expected)


@pytest.mark.parametrize("name", ["tf", "caffe", "torch"])
def test_a_family_scales_as_keras_does_and_undoes_it(name):
    expected = keras.applications.imagenet_utils.preprocess_input(PICTURE.astype(np.float32), mode=name)
    scaled = to_input(tf.constant(PICTURE), 32, FAMILIES[name]).numpy()
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
    np.testing.assert_allclose(FAMILIES[name].undo(scaled), PICTURE, atol=1e-3)


def test_shrinking_averages_instead_of_sampling():
    stripes = np.zeros((320, 320, 3), np.uint8)
    stripes[:, ::2] = 255
    shrunk = CAFFE.undo(to_input(tf.constant(stripes), 32, CAFFE).numpy())
    assert np.abs(shrunk[4:-4, 4:-4] - 127.5).max() < 3


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_the_step_gives_static_shapes_and_class_indices(shape):
    pictures = [png(np.full((20, 50, 3), value, np.uint8)) for value in (0, 255)]
    inputs = {
        features.IMAGE_BYTES: tf.reshape(tf.constant(pictures), shape),
        features.LABEL: tf.reshape(tf.constant(["dog", "stranger"]), shape),
    }
    out = preprocessing_fn(inputs, {"image_size": 32, "classes": ["cat", "dog"], "preprocessing": "caffe"})
    assert out[features.PIXELS].shape == (2, 32, 32, 3)
    assert out[features.LABEL_INDEX].numpy().tolist() == [1, -1]
    np.testing.assert_allclose(out[features.PIXELS][0, 0, 0], [-103.939, -116.779, -123.68], atol=1e-4)


def test_a_missing_label_is_no_class():
    assert to_index(tf.constant([""]), ["cat", "dog"]).numpy().tolist() == [-1]
