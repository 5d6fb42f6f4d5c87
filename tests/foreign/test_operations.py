"""SavedModels that only compute are passed, whoever wrote them; all others are refused by what they have in them."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.framework import op_def_registry

from components.doctor.loading import load_model
from components.errors import DataRefused
from components.foreign import saved_models
from tests.doctor import faults

pytestmark = pytest.mark.tfx

Layer = keras.layers


def graph_of(folder: Path) -> saved_model_pb2.SavedModel:
    return saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def refused(folder: Path) -> list[str]:
    return saved_models.refused(graph_of(folder).meta_graphs[0])


def augmented() -> keras.Model:
    pixels = keras.Input((32, 32, 3))
    x = Layer.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 2.0, 3.0])(Layer.Rescaling(1 / 255)(pixels))
    for layer in (
        *(Layer.RandomFlip(), Layer.RandomRotation(0.1), Layer.RandomZoom(0.1), Layer.RandomContrast(0.1)),
        *(Layer.RandomTranslation(0.1, 0.1), Layer.RandomBrightness(0.1), Layer.Resizing(24, 24)),
        *(Layer.CenterCrop(16, 16), Layer.Conv2D(4, 3), Layer.BatchNormalization(), Layer.Dropout(0.2)),
        *(Layer.SeparableConv2D(4, 3, activation="swish"), Layer.Conv2DTranspose(4, 3), Layer.UpSampling2D()),
        *(Layer.SpatialDropout2D(0.1), Layer.GroupNormalization(2), Layer.GlobalAveragePooling2D()),
    ):
        x = layer(x)
    return keras.Model(pixels, Layer.Dense(3, activation="softmax")(x))


def mobile() -> keras.Model:
    return keras.applications.MobileNetV3Small((32, 32, 3), 0.35, minimalistic=False, weights=None, classes=3)


def transformer() -> keras.Model:
    pixels = keras.Input((16, 16, 3))
    x = Layer.Reshape((-1, 8))(Layer.Conv2D(8, 4, strides=4)(pixels))
    x = x + Layer.Embedding(16, 8)(np.arange(16))
    x = Layer.LayerNormalization()(x + Layer.MultiHeadAttention(2, 4, dropout=0.1)(x, x))
    x = x + Layer.Dense(8)(Layer.Dense(16, activation="gelu")(x))
    return keras.Model(pixels, Layer.Dense(3)(Layer.GlobalMaxPooling1D()(x)))


def recurrent() -> keras.Model:
    pixels = keras.Input((8, 8, 1))
    x = Layer.Bidirectional(Layer.LSTM(4, return_sequences=True))(Layer.Reshape((8, 8))(pixels))
    return keras.Model(pixels, Layer.Dense(3)(Layer.GRU(4, unroll=False)(x)))


@pytest.mark.parametrize("build", [augmented, mobile, transformer, recurrent])
def test_what_keras_exports_is_passed_and_loaded(tmp_path, build):
    model = build()
    model.export(tmp_path / "export", verbose=False)
    loaded = load_model(str(tmp_path / "export"))
    pixels = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-4)


def test_what_tensorflow_saves_is_passed(tmp_path):
    model = faults.convnet(norm=Layer.BatchNormalization)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.zeros((4, 16, 16, 3)), np.zeros(4), verbose=0)
    tf.saved_model.save(model, str(tmp_path))
    load_model(str(tmp_path))


def test_words_are_looked_up_in_the_graph_or_in_an_asset_of_ones_own(tmp_path):
    words = keras.Input((1,), dtype="string")
    indices = Layer.StringLookup(vocabulary=["cat", "dog"])(words)
    keras.Model(words, Layer.CategoryEncoding(3)(indices)).export(tmp_path / "keras", verbose=False)
    assert refused(tmp_path / "keras") == []
    (tmp_path / "words.txt").write_text("cat\ndog\n")
    save_with_words(tmp_path)
    assert refused(tmp_path / "asset") == []


def save_with_words(folder: Path) -> None:
    kinds = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)

    class Words(tf.Module):
        def __init__(self) -> None:
            self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(str(folder / "words.txt"), *kinds), -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, x):
            return self.table.lookup(x)

    words = Words()
    tf.saved_model.save(words, str(folder / "asset"), signatures=words.serve)


def test_a_text_file_that_is_no_asset_and_an_asset_elsewhere_are_refused(tmp_path):
    (tmp_path / "words.txt").write_text("cat\ndog\n")
    save_with_words(tmp_path)
    model = graph_of(tmp_path / "asset")
    (asset,) = model.meta_graphs[0].asset_file_def
    assert saved_models.is_inside(tmp_path / "asset", model.meta_graphs[0])
    asset.filename = "../../words.txt"
    assert not saved_models.is_inside(tmp_path / "asset", model.meta_graphs[0])
    asset.filename = "words.txt"
    copy = tmp_path / "asset" / "assets" / "words.txt"
    copy.unlink()
    copy.symlink_to(tmp_path / "words.txt")
    assert not saved_models.is_inside(tmp_path / "asset", model.meta_graphs[0])
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "InitializeTableFromTextFileV2":
                node.input[1] = "Const:output:0"
    assert saved_models.refused(model.meta_graphs[0]) == ["InitializeTableFromTextFileV2"]


def save(folder: Path, reach: Callable[[tf.Tensor], object]) -> None:
    class Reaching(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], name="x")])
        def serve(self, x):
            reach(x)
            return x + 1

    reaching = Reaching()
    tf.saved_model.save(reaching, str(folder), signatures=reaching.serve)


def cached(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: tf.data.Dataset.from_tensors(x).cache(path).reduce(0.0, lambda a, b: a + tf.reduce_sum(b))


def lines(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: tf.data.TextLineDataset(path).reduce("", lambda a, b: a + b)


def records(path: str) -> Callable[[tf.Tensor], object]:
    def write(x: tf.Tensor) -> object:
        data = tf.data.Dataset.from_tensors(tf.strings.as_string(x[0, 0]))
        return tf.raw_ops.DatasetToTFRecord(
            input_dataset=data._variant_tensor, filename=path, compression_type=tf.constant("")
        )

    return write


def summary(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: tf.raw_ops.CreateSummaryFileWriter(
        writer=tf.raw_ops.SummaryWriter(), logdir=path, max_queue=1, flush_millis=1, filename_suffix=""
    )


def debugged(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: tf.raw_ops.DebugIdentityV2(input=x, debug_urls=[f"file://{path}"])


def checkpoint(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: tf.raw_ops.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[x])


def memory_region(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: x[:1] + tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[4], memory_region_name=path)


def printed(path: str) -> Callable[[tf.Tensor], object]:
    return lambda x: tf.print(x, output_stream=f"file://{path}")


REACHING = {
    "CacheDatasetV2": cached,
    "TextLineDataset": lines,
    "DatasetToTFRecord": records,
    "CreateSummaryFileWriter": summary,
    "DebugIdentityV2": debugged,
    "SaveV2": checkpoint,
    "ImmutableConst": memory_region,
    "PrintV2": printed,
}


@pytest.mark.parametrize(("name", "reach"), REACHING.items())
def test_a_graph_that_does_more_than_compute_is_refused_before_it_is_loaded(tmp_path, name, reach):
    save(tmp_path / "export", reach(str(tmp_path / "witness")))
    with pytest.raises(DataRefused, match=rf"that only computes; .*\b{name}\b.* was not loaded") as caught:
        load_model(str(tmp_path / "export"))
    assert not list(tmp_path.glob("witness*")) and "\n" not in str(caught.value)


def test_the_function_that_saves_a_model_may_not_be_called_by_its_answer(tmp_path):
    faults.convnet().export(tmp_path, verbose=False)
    meta = graph_of(tmp_path).meta_graphs[0]
    assert saved_models.refused(meta) == []
    functions = {one.signature.name: one for one in meta.graph_def.library.function}
    saver = next(name for name, one in functions.items() if any(node.op == "SaveV2" for node in one.node_def))
    answering = functions[next(iter(meta.object_graph_def.concrete_functions))]
    answering.node_def.add(name="call", op="PartitionedCall").attr["f"].func.name = saver
    assert "SaveV2" in saved_models.refused(meta)
    answering.node_def[-1].op = saver
    del answering.node_def[-1].attr["f"]
    assert "SaveV2" in saved_models.refused(meta)
    del answering.node_def[-1]
    assert saved_models.refused(meta) == []
    meta.object_graph_def.nodes.add().bare_concrete_function.concrete_function_name = saver
    assert "SaveV2" in saved_models.refused(meta)


def test_a_function_with_the_name_of_an_operation_does_not_let_that_operation_pass(tmp_path):
    faults.convnet().export(tmp_path, verbose=False)
    meta = graph_of(tmp_path).meta_graphs[0]
    meta.graph_def.library.function.add().signature.name = "WriteFile"
    meta.graph_def.library.function[0].node_def.add(name="write", op="WriteFile")
    assert saved_models.refused(meta) == ["WriteFile"]


def test_an_unknown_operation_and_a_graph_of_tensorflow_1_are_one_sentence(tmp_path):
    faults.convnet().export(tmp_path, verbose=False)
    model = graph_of(tmp_path)
    node = next(node for one in model.meta_graphs[0].graph_def.library.function for node in one.node_def)
    node.op = "Telepathy\n"
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(DataRefused, match=r"that only computes; .* has the operations Telepathy\\n"):
        load_model(str(tmp_path))
    model.meta_graphs[0].ClearField("object_graph_def")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(DataRefused, match="is no SavedModel of TensorFlow 2"):
        load_model(str(tmp_path))


def test_every_operation_is_called_as_no_function_is():
    every = op_def_pb2.OpList()
    every.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    names = {one.name for one in every.op}
    assert names > saved_models.allowed()
    assert [name for name in names if not saved_models._OPERATION.fullmatch(name)] == []


def test_tensorboard_has_the_messages_of_this_tensorflow():
    """A field that only TensorFlow knows would be loaded, and not be looked at."""
    waiting, seen = [(saved_models._GRAPHS, meta_graph_pb2.MetaGraphDef.DESCRIPTOR)], set()
    while waiting:
        ours, theirs = waiting.pop()
        fields = [[(one.number, one.name, one.type, one.label) for one in kind.fields] for kind in (ours, theirs)]
        assert fields[0] == fields[1], ours.full_name
        if ours.full_name not in seen:
            seen.add(ours.full_name)
            pairs = [(one.message_type, theirs.fields_by_name[one.name].message_type) for one in ours.fields]
            waiting += [pair for pair in pairs if pair[0]]
    assert len(seen) == 88


def test_the_list_was_looked_through_for_this_tensorflow():
    """Another TensorFlow may have put an operation that reads files into a family; then somebody has to look."""
    assert (tf.__version__, len(saved_models.allowed())) == ("2.16.2", 737)
    signs = ("file", "path", "url", "dir", "host", "address", "region")
    for name in saved_models.allowed():
        about = op_def_registry.get(name)
        told = [one.name for one in (*about.input_arg, *about.attr)]
        assert not [one for one in told if any(sign in one for sign in signs)], name
