import io
import os
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRefused

pytestmark = pytest.mark.tfx

Tree = Callable[..., str]
Png = Callable[[int], bytes]


def sixteen_bit() -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.random.default_rng(5).integers(0, 65536, (24, 24), dtype=np.uint16)).save(written, "PNG")
    return written.getvalue()


def rotated() -> bytes:
    written = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), "red").save(written, "JPEG", exif=exif)
    return written.getvalue()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, picture: Callable[..., bytes], run_ingest: Callable) -> Any:
    """One ingest of everything odd at once."""
    jpeg = picture(100, "JPEG", side=96)
    two_frames = {"save_all": True, "append_images": [Image.new("RGB", (24, 24))]}
    files = {
        "cat/gif.gif": picture(1, "GIF"), "dog/animated.gif": picture(2, "GIF", **two_frames),
        "cat/cmyk.jpg": picture(3, "JPEG", "CMYK"), "dog/grey.jpg": picture(4, "JPEG", "L"),
        "cat/grey.png": picture(5, "PNG", "L"), "dog/palette.png": picture(6, "PNG", "P"),
        "cat/sixteen.png": sixteen_bit(), "dog/alpha.png": picture(7, "PNG", "RGBA"),
        "cat/rotated.jpg": rotated(), "cat/deep/er.png": picture(9),
        "dog/bilevel.png": picture(10, "PNG", "1"), "dog/greyalpha.png": picture(11, "PNG", "LA"),
        "cat/half.jpg": jpeg[: len(jpeg) // 2], "dog/nearly.jpg": jpeg[: len(jpeg) * 95 // 100],
        "cat/half.png": (whole := picture(101))[: len(whole) // 2], "cat/half.gif": picture(102, "GIF", side=96)[:4000],
        "dog/bitmap.bmp": picture(8, "BMP"),
        "dog/zero.png": b"", "cat/text.jpg": b"I am a text\n", "dog/new.webp": picture(12, "WEBP"),
        "cat/twice.png": picture(13), "dog/twice.png": picture(13),
        "cat/copy1.png": picture(14), "cat/copy2.png": picture(14, compress_level=0),
        "dog/.DS_Store": b"x", "notes.txt": b"x",
    }  # fmt: skip
    files |= {f"cat/fill{number}.png": picture(200 + number) for number in range(12)}
    files |= {f"dog/fill{number}.png": picture(300 + number) for number in range(12)}
    root = tmp_path_factory.mktemp("odd")
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return run_ingest(str(root))


def test_details_are_one_plain_line(odd: Any) -> None:
    details = {one["reason"]: one["detail"] for one in odd.rejects}
    assert all(detail.isprintable() and "{{" not in detail and "[Op" not in detail for detail in details.values())
    assert "Invalid" in details["corrupt"]


def test_nothing_is_lost(odd: Any) -> None:
    report = odd.report
    assert report["num_read"] == 26 - 1 + 24
    assert report["num_kept"] + report["num_rejected"] == report["num_read"]
    assert report["num_kept"] == len(odd.all_uris) == len(set(odd.all_uris))
    assert report["num_rejected"] == len(odd.rejects) == sum(report["rejected_by_reason"].values())
    assert report["by_class"]["train"]["cat"] == odd.labels["train"].count("cat")
    assert [one["uri"] for one in odd.rejects] == sorted(one["uri"] for one in odd.rejects)
    assert report["reject_examples"] == odd.rejects[:20]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("half.jpg", "corrupt"), ("nearly.jpg", "corrupt"), ("half.png", "corrupt"), ("half.gif", "corrupt"),
        ("bitmap.bmp", "unsupported_format"), ("zero.png", "empty_file"), ("text.jpg", "not_an_image"),
        ("new.webp", "unsupported_format"), ("cat/twice.png", "conflicting_labels"),
        ("dog/twice.png", "conflicting_labels"), ("notes.txt", "outside_class_folders"),
    ],
)  # fmt: skip
def test_what_is_not_used_is_named_with_its_reason(odd: Any, name: str, reason: str) -> None:
    assert odd.reason_of(name) == reason


@pytest.mark.parametrize(
    "name",
    ["gif.gif", "animated.gif", "cmyk.jpg", "grey.jpg", "grey.png", "palette.png", "sixteen.png", "alpha.png",
     "rotated.jpg", "er.png", "bilevel.png", "greyalpha.png"],
)  # fmt: skip
def test_every_form_of_an_accepted_format_is_kept(odd: Any, name: str) -> None:
    assert any(uri.endswith("/" + name) for uri in odd.all_uris)


def test_an_exif_rotation_counts_in_height_and_width(odd: Any) -> None:
    examples = [one.features.feature for split in odd.examples.values() for one in split]
    (turned,) = [one for one in examples if one["uri"].bytes_list.value[0].endswith(b"rotated.jpg")]
    assert (turned["height"].int64_list.value[0], turned["width"].int64_list.value[0]) == (30, 20)


def test_equal_pictures_in_different_files_are_on_one_side(odd: Any) -> None:
    assert odd.report["num_duplicates"] == 1
    assert not set(odd.hashes["train"]) & set(odd.hashes["eval"])
    sides = {side for side, uris in odd.uris.items() for uri in uris if "copy" in uri}
    assert len(sides) == 1


def test_the_same_data_give_the_same_splits_in_the_same_order_mixed_by_class(
    write_tree: Tree, png: Png, run_ingest: Callable
) -> None:
    root = write_tree({f"{name}/{number}.png": png(ord(name) + number) for name in "an" for number in range(12)})
    first, second = run_ingest(root), run_ingest(root)
    assert first.uris == second.uris and first.report == second.report
    assert first.labels["train"] != sorted(first.labels["train"])
    assert first.num_files == 2


def test_given_splits_are_used_and_a_picture_in_both_leaves_train(
    write_tree: Tree, png: Png, run_ingest: Callable
) -> None:
    names = [f"{split}/{name}/{n}.png" for split in ("train", "val") for name in ("cat", "dog") for n in range(2)]
    files = {name: png(number) for number, name in enumerate(names)}
    files["train/cat/leak.png"] = files["val/cat/leak.png"] = png(99_999)
    found = run_ingest(write_tree(files))
    assert found.report["by_split"] == {"train": 4, "stop": 0, "eval": 5}
    assert found.report["rejected_by_reason"] == {"also_in_eval": 1}
    assert all("/val/" in uri for uri in found.uris["eval"])
    pooled = run_ingest(write_tree(files), given_splits="ignore")
    assert pooled.report["num_kept"] == 10 and pooled.report["num_duplicates"] == 1


def test_a_bomb_is_refused_with_little_memory(
    write_tree: Tree, png: Png, bomb: Callable[[int], bytes], run_ingest: Callable
) -> None:
    files = {f"{name}/{number}.png": png(ord(name) + number) for name in "an" for number in range(6)}
    run_ingest(write_tree(files))  # What Beam and TensorFlow take is not the bomb's.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = run_ingest(write_tree({"a/bomb.png": bomb(12000)}))
    assert found.report["rejected_by_reason"] == {"too_many_pixels": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_a_split_that_ends_up_empty_is_refused(write_tree: Tree, png: Png, run_ingest: Callable) -> None:
    with pytest.raises(DataRefused, match=r"left for the train split .* 2 rejected \(2 conflicting_labels\)"):
        run_ingest(write_tree({"cat/a.png": png(1), "dog/a.png": png(1)}))


def test_data_that_changed_since_the_pipeline_was_built_are_refused(
    write_tree: Tree, png: Png, run_ingest: Callable
) -> None:
    root = write_tree({"cat/a.png": png(1), "dog/b.png": png(2)})
    with pytest.raises(DataRefused, match="changed after this run was started"):
        run_ingest(root, fingerprint="another")


def test_an_unknown_label_stays_in_the_examples_for_validation_to_find(
    write_tree: Tree, png: Png, run_ingest: Callable
) -> None:
    names = ("cat", "dog", "elk")
    root = write_tree({f"{name}/{n}.png": png(ord(name[0]) * 100 + n) for name in names for n in range(6)})
    found = run_ingest(root, classes=("cat", "dog"))
    assert found.report["num_kept"] == 18 and "elk" in found.labels["train"] + found.labels["eval"]


def test_a_pipe_is_no_image_and_nobody_waits_for_it(write_tree: Tree, png: Png, run_ingest: Callable[..., Any]) -> None:
    pictures = {
        f"{label}/{number}.png": png(20 * number + len(label)) for label in ("cat", "ox") for number in range(9)
    }
    root = write_tree(pictures)
    os.mkfifo(f"{root}/cat/pipe.png")
    (reject,) = run_ingest(root, max_reject_fraction=1).rejects
    assert (reject["uri"], reject["reason"]) == (f"{root}/cat/pipe.png", "no_file")
