import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import DataRefused
from components.ingest.settings import DataSettings
from components.ingest.sources import discover, label_faults, list_source

Tree = Callable[..., str]
Png = Callable[[int], bytes]


def test_class_folders_give_the_classes_in_sorted_order(write_tree: Tree, png: Png) -> None:
    root = write_tree({"dog/a.png": png(1), "cat/b.png": png(2), "cat/deeper/c.png": png(3)})
    summary = discover(DataSettings(uri=root))
    assert (summary.format, summary.classes, summary.has_splits) == ("folder", ("cat", "dog"), False)
    assert {one.label for one in list_source(DataSettings(uri=root)).containers} == {"cat", "dog"}


@pytest.mark.parametrize("validation", ["eval", "val", "validation"])
def test_folders_above_the_classes_are_given_splits(write_tree: Tree, png: Png, validation: str) -> None:
    names = [f"{side}/{name}/1.png" for side in ("train", validation) for name in ("cat", "dog")]
    root = write_tree({name: png(number) for number, name in enumerate(names)})
    listing = list_source(DataSettings(uri=root))
    assert listing.has_splits and listing.labels == ("cat", "dog")
    assert sorted((one.split, one.label) for one in listing.containers) == [
        ("eval", "cat"), ("eval", "dog"), ("train", "cat"), ("train", "dog"),
    ]  # fmt: skip
    ignored = list_source(DataSettings(uri=root, given_splits="ignore"))
    assert not ignored.has_splits and {one.split for one in ignored.containers} == {None}


def test_a_folder_named_train_with_images_in_it_is_a_class(write_tree: Tree, png: Png) -> None:
    root = write_tree({"train/a.png": png(1), "bus/b.png": png(2)})
    assert discover(DataSettings(uri=root)).classes == ("bus", "train")


def test_hidden_files_are_no_data_and_files_without_a_class_are_rejects(write_tree: Tree, png: Png) -> None:
    root = write_tree({
        "cat/a.png": png(1), "dog/b.png": png(2), "cat/.DS_Store": b"x", "dog/Thumbs.db": b"x",
        ".cache/c.png": png(3), "readme.txt": b"hello",
    })  # fmt: skip
    listing = list_source(DataSettings(uri=root))
    assert len(listing.containers) == 2
    assert [(one.uri, one.reason) for one in listing.rejects] == [(f"{root}/readme.txt", "outside_class_folders")]


def test_the_fingerprint_changes_with_the_data_and_only_then(write_tree: Tree, png: Png) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    settings = DataSettings(uri=root)
    first = discover(settings).fingerprint
    assert discover(settings).fingerprint == first
    os.utime(f"{root}/cat/a.png", (1, 1))
    touched = discover(settings).fingerprint
    write_tree({"dog/c.png": png(3)})
    assert len({first, touched, discover(settings).fingerprint}) == 3


@pytest.mark.parametrize(
    ("files", "folders", "message"),
    [
        ({}, [], "is empty"),
        ({"cat/a.png": b"x"}, [], "at least two classes; found 1 ('cat')"),
        ({"cat/a.png": b"x", "dog/b.png": b"x"}, ["bird"], "class folder bird in"),
        ({"cat/a.png": b"x", "dog/.DS_Store": b"x"}, [], "class folder dog in"),
        ({"a.png": b"x", "b.png": b"x"}, [], "no class folders"),
        ({"train/cat/a.png": b"x", "train/dog/b.png": b"x"}, [], "given splits need `train` and one of"),
        ({"train/cat/a.png": b"x", "eval/cat/b.png": b"x", "test/cat/c.png": b"x"}, [], "holds test beside"),
        ({"train/cat/a.png": b"x", "eval/cat/b.png": b"x"}, ["eval/dog"], "class folder eval/dog in"),
    ],
)
def test_a_bad_tree_is_refused_in_one_sentence(
    write_tree: Tree, tmp_path: Path, files: dict[str, bytes], folders: list[str], message: str
) -> None:
    root = write_tree(files)
    for folder in ["", *folders]:
        (Path(root) / folder).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataRefused) as refused:
        discover(DataSettings(uri=root))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_is_no_folder(write_tree: Tree, png: Png) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    with pytest.raises(DataRefused, match=r"cat/a\.png is a file; set data\.uri to a folder"):
        discover(DataSettings(uri=f"{root}/cat/a.png"))


def test_an_address_without_data_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.uri must name the data; received an empty text"):
        DataSettings(uri=" ")


def test_labels_are_compared_with_the_classes_on_each_side(write_tree: Tree, png: Png) -> None:
    names = ("train/cat", "train/dog", "train/fox", "val/cat", "val/dog")
    settings = DataSettings(uri=write_tree({f"{name}/1.png": png(number) for number, name in enumerate(names)}))
    faults = label_faults(list_source(settings), ("cat", "dog", "fox"))
    assert faults == ("eval: class 'fox' has no image",)
    pooled = settings.model_copy(update={"given_splits": "ignore"})
    assert label_faults(list_source(pooled), ("cat", "dog", "fox")) == ()
    assert label_faults(list_source(pooled), ("cat", "dog")) == ("label 'fox' is not a class",)


@pytest.mark.usefixtures("no_credentials")
def test_a_store_that_does_not_let_us_in_is_a_sentence() -> None:
    with pytest.raises(DataRefused, match=r"s3://bucket/x cannot \(Unable to locate credentials\)\. Check the address"):
        discover(DataSettings(uri="s3://bucket/x"))


def test_a_missing_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="nowhere was not found"):
        discover(DataSettings(uri=str(tmp_path / "nowhere")))


def test_splits_that_are_required_must_be_there(write_tree: Tree, png: Png) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    with pytest.raises(DataRefused, match="no train and eval splits"):
        discover(DataSettings(uri=root, given_splits="require"))


@pytest.mark.parametrize("name", ["c\nt", "x\\..", "x" * 250 + "\u202e", b"\xff\xfe".decode(errors="surrogateescape")])
def test_tricks_in_class_names_are_rejects_with_the_name_escaped(write_tree: Tree, png: Png, name: str) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    try:
        (Path(root) / name).mkdir()
        (Path(root) / name / "c.png").write_bytes(png(3))
    except OSError:
        pytest.skip("this file system refuses the name itself")
    listing = list_source(DataSettings(uri=root))
    assert listing.labels == ("cat", "dog")
    (reject,) = listing.rejects
    assert reject.reason in {"bad_label", "bad_name"}
    assert (reject.uri + reject.detail).isprintable() and (reject.uri + reject.detail).encode()


def test_configured_classes_keep_their_order_and_are_checked(write_tree: Tree, png: Png) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    assert discover(DataSettings(uri=root, classes=("dog", "cat"))).classes == ("dog", "cat")
    with pytest.raises(DataRefused, match="'dog' more than once"):
        discover(DataSettings(uri=root, classes=("dog", "cat", "dog")))
    with pytest.raises(DataRefused, match="could be a path"):
        discover(DataSettings(uri=root, classes=("dog", "../cat")))


def test_an_unknown_protocol_says_what_to_use() -> None:
    with pytest.raises(DataRefused, match=r"nope:// is not available here; use a local path"):
        discover(DataSettings(uri="nope://bucket/data"))


def test_discovering_a_folder_does_not_import_tensorflow(write_tree: Tree, png: Png) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    code = (
        "import sys; from components.ingest.settings import DataSettings\n"
        "from components.ingest.sources import discover\n"
        f"discover(DataSettings(uri={root!r})); print({{'tensorflow', 'apache_beam', 'tfx'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
