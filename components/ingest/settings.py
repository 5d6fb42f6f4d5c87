"""What ingest may be told."""

import re
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.ingest.groups import Grouping
from components.settings import Settings

EMBEDDED_DIGITS = "embedded:digits-5-9"
EMBEDDED_SOURCE_DIGITS = "embedded:digits-0-4"
# What stands for many addresses, and what people write for it.
NUMBER: Final = "{SPAN}"
DAY: Final = "{YYYY-MM-DD}"
_MEANT: Final = re.compile(r"\{(span|spans|number|day|date|y{2,4}[^{}]*)\}", re.IGNORECASE)


class DataSettings(Settings):
    """Where the labelled images are and what is accepted."""

    uri: str = EMBEDDED_DIGITS
    """A class-per-folder tree, a TFRecord glob, a CSV or Parquet manifest, or `tfds:NAME[@FOLDER]`; local, gs:// or
    s3://. With `{SPAN}` or `{YYYY-MM-DD}` in it, as in `s3://pictures/span-{SPAN}`, every run reads the newest spans.
    Also an embedded example: `embedded:digits-5-9` or `embedded:digits-0-4`."""
    format: Literal["auto", "folder", "tfrecord", "manifest", "tfds"] = "auto"
    """How to read `uri`; `auto` decides from its form."""
    classes: tuple[str, ...] = ()
    """The class names in order; empty: discovered from the data, sorted."""
    eval_fraction: float = Field(0.33, gt=0, lt=1)
    """Share of images, by content hash, that goes to the validation split when the data gives no splits of its own."""
    stop_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of the training images, by content hash, that is not trained on: it says when to stop and which epoch is
    the best, so that the gate alone sees validation images. 0, or fewer than 20 of them: all images and all epochs are
    trained, and the last one is exported."""
    group: str = Field("", examples=["column:patient", "folder:1", r"path:([^/]+)_\d+\.jpg"])
    """What pictures that must never be in two splits have in common, as a patient, a film or a burst. `column:NAME` is
    a manifest's column or a feature of TFRecord and TensorFlow Datasets, `folder:N` the N-th folder below the class
    folder, `path:PATTERN` what a regular expression, or its first group, finds in the path below `data.uri`. Empty:
    every picture is a group of its own."""
    given_splits: Literal["auto", "ignore", "require"] = "auto"
    """Whether splits given by the data (folders `train` and `eval`, `val` or `validation`, a `split` column, TFDS
    splits) are used."""
    span: int = Field(0, ge=0)
    """Where `uri` has spans, the newest one to read (0: the newest there is; a day's number counts the days since
    1970-01-01); elsewhere, the number that is recorded on the examples."""
    window: int = Field(1, ge=0)
    """Where `uri` has spans, how many of them a run reads, the newest included; 0: all."""
    max_reject_fraction: float = Field(0.01, ge=0, le=1)
    """More rejected images than this share stop the run."""
    max_pixels: int = Field(50_000_000, gt=0)
    """An image with more pixels in its header is refused before it is decoded."""
    max_bytes: int = Field(64 * 1024 * 1024, gt=0)
    """An encoded image larger than this is refused."""
    roots: tuple[str, ...] = Field((), examples=[["/data/images", "s3://pictures"]])
    """Folders and buckets, besides the manifest's own folder, whose images a manifest may name."""
    image_key: str = "image/encoded"
    """TFRecord source: the feature that holds the encoded image."""
    label_key: str = "image/class/text"
    """TFRecord source: the feature that holds the class name or index."""

    @field_validator("group")
    @classmethod
    def _names_a_group(cls, value: str) -> str:
        Grouping.of(value)
        return value

    @model_validator(mode="after")
    def _with_known_placeholders(self) -> Self:
        if not self.uri.strip():
            raise ValueError("data.uri must name the data; received an empty text.")
        for found in _MEANT.finditer(self.uri):
            if found[0] not in (NUMBER, DAY):
                raise ValueError(f"data.uri must have {NUMBER} or {DAY} where deliveries differ; received {found[0]}.")
        return self
