"""What is frozen is held against the backbone that the model was made from."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import frostgate
from components.diagnosis.evidence import SourceComparison
from components.doctor.loading import load_model
from components.doctor.report import Report
from components.doctor.source import read_source
from components.errors import DataRefused
from tests.doctor import faults
from tests.doctor.test_command import doctor

pytestmark = pytest.mark.tfx


def backbone() -> keras.Model:
    """A trained net with BatchNorm, less its head."""
    whole = faults.HEALTHY["BatchNorm"]().model
    return keras.Model(whole.input, whole.layers[-2].output, name="source")


def with_head(base: keras.Model) -> keras.Model:
    keras.utils.set_random_seed(0)
    base.trainable = False
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(base(inputs, training=False)))
    return faults.fit(model, faults.digits()[0], epochs=8)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "backbone.keras"
    backbone().save(path)
    return path


@pytest.fixture
def model(source):
    return with_head(load_model(str(source)))


def norm_of(model: keras.Model) -> keras.layers.BatchNormalization:
    return next(one for one in model._flatten_layers() if isinstance(one, keras.layers.BatchNormalization))


def examined(model: keras.Model, source) -> tuple[Report, SourceComparison]:
    report = frostgate.diagnose(model, *faults.digits(), source_backbone=load_model(str(source)))
    assert report.measurements.source is not None
    return report, report.measurements.source


def test_a_backbone_that_is_as_it_was_passes(model, source):
    report, found = examined(model, source)
    assert report.decision.outcome == "PASS", str(report)
    assert found.num_found == found.num_frozen == found.num_source > 3 and found.changed == ()


def test_moved_statistics_of_a_frozen_layer_are_found_however_little_they_cost(model, source):
    norm = norm_of(model)
    norm.moving_mean.assign(norm.moving_mean + 1e-4)
    report, found = examined(model, source)
    assert report.decision.codes == ("G0",) and "1 of" in report.decision.sentence
    cause = report.diagnosis.causes[0]
    assert cause.id == "frozen_weights_changed" and norm.name in cause.evidence[0]
    assert (found.statistics, found.weights) == ((norm.name,), ())


def test_what_is_trainable_may_differ(model, source):
    norm = norm_of(model)
    norm.trainable = True
    norm.moving_mean.assign(norm.moving_mean + 1e-4)
    assert examined(model, source)[1].changed == ()


def test_another_backbone_is_refused_in_one_sentence(model):
    other = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, include_top=False)
    with pytest.raises(DataRefused, match="0 of its 104 layers are in the model"):
        frostgate.diagnose(model, *faults.digits(), source_backbone=other)


def test_weights_as_keras_applications_ship_them_are_read(source, tmp_path):
    saved = load_model(str(source))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, saved)
    expected, found = read_source(str(source)), read_source(str(tmp_path / "weights.h5"))
    assert found.keys() == expected.keys()
    for name, weights in expected.items():
        for ours, theirs in zip(weights, found[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_names_of_a_thousand_layers_are_passed_as_keras_writes_them(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        names = [f"block_{number}_batch_normalization".encode() for number in range(1_000)]
        legacy_h5_format.save_attributes_to_hdf5_group(file, "layer_names", names)
        for name in names:
            file.create_group(name).attrs["weight_names"] = np.zeros(0)
    assert read_source(str(tmp_path / "weights.h5")) == {}


def test_names_for_which_memory_is_too_small_are_a_sentence(tmp_path, monkeypatch):
    def read(_):
        raise MemoryError

    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_group("dense")
        file.attrs["layer_names"] = [b"dense"]
    monkeypatch.setattr("components.doctor.source._weights", read)
    with pytest.raises(DataRefused, match=r"The source backbone must be .* is neither \(MemoryError\)"):
        read_source(str(tmp_path / "weights.h5"))


def test_a_file_that_is_no_backbone_is_one_line_and_exit_code_2(model, source, tmp_path):
    model.save(tmp_path / "model.keras")
    for split, (inputs, labels) in zip(("train", "eval"), faults.digits(), strict=True):
        np.savez(tmp_path / f"{split}.npz", x=inputs, y=labels)
    (tmp_path / "text.h5").write_text("no weights")
    splits = ("--train", tmp_path / "train.npz", "--eval", tmp_path / "eval.npz")
    refused = doctor(tmp_path / "model.keras", *splits, "--source-backbone", tmp_path / "text.h5")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert refused.stderr.startswith("frostgate: The source backbone must be a .keras file, or an .h5 file of weights")
    assert doctor(tmp_path / "model.keras", *splits, "--source-backbone", source).returncode == 0
