"""The values that travel through ingest."""

from dataclasses import dataclass, field
from typing import Literal

from components.errors import public_place, without_credentials

Kind = Literal["file", "tfrecord", "tfds"]


@dataclass(frozen=True, slots=True)
class Container:
    """What a worker opens: one image file, or one shard that holds many images."""

    kind: Kind
    uri: str
    """A file's address; for TFDS `NAME[@DATA_DIR]`."""
    label: str | None = None
    """The class, where the listing knows it; None inside shards."""
    split: str | None = None
    """The side that the data gives, or None."""
    position: int = 0
    """Makes two rows that name the same file different; for TFDS the shard's number."""
    group: str = ""
    """What its image has in common with others, where the listing knows it."""

    @property
    def key(self) -> str:
        """One text a container, the same in every process."""
        return f"{self.kind}\n{self.uri}\n{self.split}\n{self.position}"


@dataclass(frozen=True, slots=True)
class Raw:
    """One image as it came, not looked at yet."""

    uri: str
    label: str
    split: str | None
    position: int
    """Its place inside the container."""
    data: bytes
    group: str = ""
    """What it has in common with images that it must not be parted from."""


@dataclass(frozen=True, slots=True)
class Reject:
    """An image that is not used, and why; printable throughout, without credentials in its address."""

    uri: str
    reason: str
    """Short, snake_case: what counts are kept by."""
    detail: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", public_place(self.uri))
        object.__setattr__(self, "detail", without_credentials(self.detail))


@dataclass(frozen=True, slots=True)
class Broken:
    """A shard that cannot be read to its end; it stops the run, since what else it held is unknown."""

    uri: str
    detail: str


@dataclass(frozen=True, slots=True)
class Measured:
    """All that is kept of an image between the passes; a few hundred bytes, never the picture itself."""

    container: Container
    position: int
    uri: str
    label: str
    split: str | None
    digest: str
    """Hex sha256 of the encoded bytes."""
    content_hash: str
    """Hex sha256 of the decoded pixels and their shape."""
    height: int
    width: int
    num_bytes: int
    format: str
    channel_means: tuple[float, float, float]
    channel_stds: tuple[float, float, float]
    sharpness: float
    group: str
    """Hex sha256 of what it has in common with others, or its content hash: what decides its split."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds, without having read one picture."""

    format: str
    containers: tuple[Container, ...]
    fingerprint: str
    """Hex sha256; another one when a file's address, size or time of change is another."""
    has_splits: bool
    labels: tuple[str, ...] | None = None
    """The class names as far as the listing tells, sorted; None when only the records know."""
    rejects: tuple[Reject, ...] = field(default=())
    """What the listing itself refuses: files without a class, rows without an image."""
    spans: tuple[int, ...] = ()
    """The numbers of the spans that it was put together from, ascending; empty where the address has none."""


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """What the command line has to know of the data before it builds a pipeline."""

    format: str
    classes: tuple[str, ...]
    fingerprint: str
    has_splits: bool
    spans: tuple[int, ...] = ()
    """The numbers of the spans, ascending; empty where the address has none."""
