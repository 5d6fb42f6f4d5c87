"""Whether a registered model's weights fit, decided from facts alone."""

from dataclasses import replace

import pytest

from components.warm_start.decision import Kind, objection

WANTED = Kind(("cat", "dog"), 32, 0, "resnet50", "a" * 64, "0.33")
FACTS = {
    "classes": ["cat", "dog"],
    "image_size": 32,
    "head": {"hidden_units": 0},
    "backbone": {"kind": "resnet50", "weights": "pretrain", "sha256": "a" * 64},
}


def test_a_model_of_the_same_kind_fits():
    assert Kind.of_export(FACTS, "0.33") == WANTED
    assert objection(WANTED, WANTED) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"classes": ("cat", "cow")}, "knows other classes (cat, cow; these images: cat, dog)"),
        ({"classes": ("dog", "cat")}, "has its classes in another order (dog, cat; these images: cat, dog)"),
        ({"classes": ("cat", "dog", "eel")}, "knows other classes (cat, dog, eel; these images: cat, dog)"),
        ({"image_size": 64}, "takes images of 64 pixels, and transform.image_size is 32"),
        ({"hidden_units": 8}, "has 8 hidden units in its head, and trainer.head.hidden_units is 0"),
        ({"backbone": "resnet101"}, "has another backbone, resnet101, and this one is resnet50"),
        (
            {"source_sha256": "b" * 64},
            "began from other weights of the backbone (sha256 bbbbbbbbbbbb; now sha256 aaaaaaaaaaaa)",
        ),
        ({"source_sha256": ""}, "began from other weights of the backbone (from scratch; now sha256 aaaaaaaaaaaa)"),
        (
            {"validation": "0.2"},
            "was validated on 0.2 of the images and now it is 0.33, so it learnt from some of them",
        ),
        (
            {"validation": "given"},
            "was validated on images chosen otherwise (given; now 0.33), so it may have learnt from some that validate "
            "now",
        ),
        (
            {"validation": ""},
            "was validated on images chosen otherwise (not known how; now 0.33), so it may have learnt from some that "
            "validate now",
        ),
    ],
)
def test_a_model_of_another_kind_does_not_and_the_sentence_says_why(change, sentence):
    assert objection(replace(WANTED, **change), WANTED) == sentence


@pytest.mark.parametrize(("then", "now"), [("0.33", "0.2"), ("0.5", "0.5"), ("given", "given")])
def test_images_that_validate_now_did_not_train_a_model_that_held_back_as_many(then, now):
    assert objection(replace(WANTED, validation=then), replace(WANTED, validation=now)) is None


def test_many_classes_are_not_all_named():
    many = replace(WANTED, classes=tuple("abcdefgh"))
    assert objection(many, WANTED) == "knows other classes (a, b, c, d, e, ...; these images: cat, dog)"


@pytest.mark.parametrize("part", [*FACTS, "nothing"])
def test_an_export_that_does_not_say_what_it_is_does_not_fit(part):
    facts = None if part == "nothing" else {key: value for key, value in FACTS.items() if key != part}
    assert Kind.of_export(facts, "0.33") is None
    assert objection(None, WANTED) == "does not say which classes, image size, backbone and head it has"


def test_weights_that_nobody_hashed_are_no_source():
    unnamed = FACTS | {"backbone": {"kind": "resnet50", "weights": "pretrain", "sha256": ""}}
    assert Kind.of_export(unnamed, "0.33") is None


def test_models_trained_from_scratch_have_one_source():
    scratch = FACTS | {"backbone": {"kind": "resnet50", "weights": "none", "sha256": ""}}
    kind = Kind.of_export(scratch, "0.33")
    assert kind is not None and kind.source_sha256 == ""
    assert objection(kind, replace(WANTED, source_sha256="")) is None
