"""Arrays, folders and TFRecords become labelled inputs; what is wrong with them is one sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.copies.search import find_copies
from components.doctor import data
from components.doctor.data import as_split, read_split
from components.doctor.examine import copies_between
from components.errors import DataRefused
from tests.copies.families import digits_5_to_9, smooth_gradients
from tests.copies.leaks import augmented_split

pytestmark = pytest.mark.tfx


def png(colour: tuple[int, int, int], size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def tree(root: Path, classes: dict[str, int]) -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.png").write_bytes(png((number, 100, 200)))
    return root


def write_shard(path: str, labels: list[bytes]) -> None:
    with tf.io.TFRecordWriter(path) as writer:
        for label in labels:
            features = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png((1, 2, 3))])),
                "image/class/text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[label])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


@pytest.mark.parametrize("labels", [np.array([0, 2, 1]), np.array([[0.0], [2.0], [1.0]]), np.eye(3)[[0, 2, 1]]])
def test_labels_may_be_indices_or_one_hot(labels):
    split = as_split(np.zeros((3, 4, 4, 1), np.uint8), labels, "train")
    assert split.labels.tolist() == [0, 2, 1] and split.labels.dtype == np.int64
    assert split.inputs.dtype == np.float32 and split.num_found == 3


@pytest.mark.parametrize(
    ("inputs", "labels", "sentence"),
    [
        (np.zeros((0, 4)), np.zeros(0), "train: x must be numbers"),
        (np.zeros(3), np.zeros(3), "train: x must be numbers"),
        (np.array([["a"]]), np.zeros(1), "train: x must be numbers"),
        (np.zeros((3, 4)), np.zeros(2), r"train: y must be \[n\] class indices, n = 3"),
        (np.zeros((3, 4)), np.full((3, 2), 0.3), "train: y .* must be one-hot"),
        (np.zeros((3, 4)), np.array([0, 1, -1]), "train: y must be whole numbers >= 0"),
        (np.zeros((3, 4)), np.array([0, 1, 0.5]), "train: y must be whole numbers >= 0"),
        (np.zeros((3, 4)), np.array(["a", "b", "c"]), "train: y must be class indices, .* values of type <U1"),
        (np.array([[0.0], [np.nan], [np.inf]]), np.arange(3), "train: x must be finite; 2 of 3 examples hold NaN"),
    ],
)
def test_arrays_that_cannot_be_a_split_are_refused(inputs, labels, sentence):
    with pytest.raises(DataRefused, match=sentence):
        as_split(inputs, labels, "train")


def test_an_npz_is_read_and_a_bad_one_refused(tmp_path):
    good, bad, pickled = (str(tmp_path / name) for name in ("good.npz", "bad.npz", "pickled.npz"))
    np.savez(good, x=np.ones((2, 3)), y=np.array([0, 1]))
    assert read_split(good, None).inputs.tolist() == np.ones((2, 3)).tolist()
    np.savez(bad, x=np.ones((2, 3)), labels=np.array([0, 1]))
    with pytest.raises(DataRefused, match=r"^\S+bad\.npz: expected arrays x and y; y missing, there are x, labels\."):
        read_split(bad, None)
    np.savez(pickled, x=np.array([print], dtype=object), y=np.array([0]))
    with pytest.raises(DataRefused, match=r"expected an \.npz of plain arrays"):
        read_split(pickled, None)
    Path(bad).write_bytes(Path(good).read_bytes()[:200])
    with pytest.raises(DataRefused, match=r"expected an \.npz of plain arrays"):
        read_split(bad, None)
    with open(bad, "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(DataRefused, match=r"expected an \.npz of plain arrays; it is damaged"):
        read_split(bad, None)
    with pytest.raises(DataRefused, match="there is no such file"):
        read_split(str(tmp_path / "no.npz"), None)


def test_a_folder_gives_pictures_labels_and_named_rejects(tmp_path):
    root = tree(tmp_path / "train", {"cat": 2, "dog": 3})
    (root / "dog" / "text.jpg").write_text("not a picture")
    split = read_split(str(root), (4, 5))
    assert split.inputs.shape == (5, 4, 5, 3) and split.classes == ("cat", "dog") and split.is_pictures
    assert sorted(split.labels.tolist()) == [0, 0, 1, 1, 1] and split.num_found == 6
    assert [Path(one.uri).name for one in split.rejects] == ["text.jpg"]
    np.testing.assert_allclose(split.inputs[..., 2], 200, rtol=1e-6)


def test_the_first_picture_gives_the_size_when_nobody_else_does(tmp_path):
    assert read_split(str(tree(tmp_path / "train", {"cat": 1, "dog": 1})), None).inputs.shape == (2, 6, 8, 3)


def test_classes_keep_the_training_splits_order_and_others_are_refused(tmp_path):
    root = tree(tmp_path / "eval", {"dog": 1, "emu": 1})
    split = read_split(str(root), (4, 4), ("ant", "dog", "emu"))
    assert sorted(split.labels.tolist()) == [1, 2] and split.classes == ("ant", "dog", "emu")
    with pytest.raises(DataRefused, match=r"expected the classes of the training split, cat, dog; received emu"):
        read_split(str(root), (4, 4), ("cat", "dog"))


def test_tfrecords_are_read(tmp_path):
    path = str(tmp_path / "train.tfrecord")
    write_shard(path, [b"cat", b"dog", b"dog"])
    split = read_split(path, (4, 4))
    assert sorted(split.labels.tolist()) == [0, 1, 1] and split.classes == ("cat", "dog")


def test_a_large_split_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr(data, "MAX_EXAMPLES", 10)
    split = as_split(np.arange(40.0).reshape(20, 2), np.arange(20) % 2, "train")
    assert len(split.labels) == 10 and split.num_found == 20
    again = as_split(np.arange(40.0).reshape(20, 2), np.arange(20) % 2, "train")
    np.testing.assert_array_equal(split.inputs, again.inputs)


def test_a_large_folder_and_large_shards_are_sampled_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "MAX_PICTURES", 6)
    root = tree(tmp_path / "train", {"cat": 10, "dog": 10})
    split = read_split(str(root), (4, 4))
    assert len(split.labels) == 6 and split.num_found == 20
    path = str(tmp_path / "train.tfrecord")
    write_shard(path, [b"cat"] * 20 + [b"dog"] * 20)
    split = read_split(path, (4, 4))
    assert len(split.labels) == 6 and split.num_found == 40
    assert set(split.labels.tolist()) == {0, 1}
    np.testing.assert_array_equal(split.labels, read_split(path, (4, 4)).labels)


@pytest.mark.parametrize("most", [6, 2_000], ids=["drawn", "all"])
def test_copies_of_smooth_pictures_are_found_among_more_than_are_drawn(tmp_path, monkeypatch, most):
    monkeypatch.setattr(data, "MAX_PICTURES", most)
    pictures = smooth_gradients(np.random.default_rng(0), 20)
    for split, chosen in (("train", pictures), ("validation", pictures[:6])):
        for number, picture in enumerate(chosen):
            path = tmp_path / split / ("cat", "dog")[number % 2] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    train = read_split(str(tmp_path / "train"), (48, 48), whole=True)
    copies = copies_between(train, read_split(str(tmp_path / "validation"), (48, 48), train.classes))
    # In the order of the folders: ten cats, then ten dogs; three of each in validation.
    assert copies.seen.tolist() == [0, 1, 2, 10, 11, 12]


def test_a_folder_of_nothing_readable_is_refused(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_text("no")
    with pytest.raises(DataRefused, match="none of 2 could be read"):
        read_split(str(tmp_path), (4, 4))


def test_near_copies_are_those_that_the_gate_finds():
    random = np.random.default_rng(18)
    train, validation = augmented_split(digits_5_to_9(random, 200), random, 40, 0.8)
    # The doctor keeps pictures as numbers, the gate as bytes in a file.
    splits = (as_split(pictures, np.arange(len(pictures)) % 2, "split") for pictures in (train, validation))
    ours, gates = copies_between(*splits), find_copies(train, validation)
    assert ours.near is not None and ours.near.mean() > 0.5
    assert ours.seen.tolist() == gates.seen.tolist()
