"""A window of the log: what is used of it, and a count for everything that is not."""

import hashlib
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import tensorflow as tf

from components.ingest.storage import FileStamp
from components.serving_log.embeddings import Distances
from components.serving_log.examples import compared, number, only_bytes
from components.serving_log.reading import Damaged, records
from schemas import features

# Each costs a forward pass through the backbone.
_MAX_MEASURED: Final = 500


@dataclass
class Counts:
    """What the window held; filled while it is read."""

    uri: str
    """The log's folder."""
    days: list[str]
    champion: str
    """The registered version whose requests are looked at."""
    num_files: int = 0
    num_requests: int = 0
    """Of the champion, or of a model that is not known."""
    num_other_model: int = 0
    """Of another model, whose answers say nothing of this one; not used."""
    num_unsound: int = 0
    """With a number that is not finite, which another program wrote; not used."""
    num_without_scalars: int = 0
    """Pictures that ingest would reject; of these only the answer is used."""
    num_embedded: int = 0
    """Pictures whose embedding was compared."""
    damaged_files: list[str] = field(default_factory=list)
    """Each with what is wrong with it; what was before the damage is used."""


def requests(stamps: Sequence[FileStamp], fingerprint: str, counts: Counts) -> Iterator[tf.train.Example]:
    """Yields the champion's requests.

    Args:
        stamps: The window's files.
        fingerprint: Hex sha256 of the champion's weights; empty: everybody's requests are its.
        counts: Is told of everything.
    """
    for stamp in stamps:
        counts.num_files += 1
        try:
            for example in records(stamp.path):
                if not _is_sound(example):
                    counts.num_unsound += 1
                elif _is_of(example, fingerprint):
                    counts.num_requests += 1
                    counts.num_without_scalars += features.HEIGHT not in example.features.feature
                    yield example
                else:
                    counts.num_other_model += 1
        except Damaged as error:
            counts.damaged_files.append(f"{stamp.path}: {error}")


def comparable(
    found: Iterator[tf.train.Example], distances: Distances | None, counts: Counts
) -> Iterator[tf.train.Example]:
    """Yields what is compared of each request; of some with a picture, the embedding's distance too.

    Args:
        found: Requests.
        distances: Measures pictures; None measures none.
        counts: Is told how many.
    """
    held: list[tuple[str, int, tf.train.Example]] = []
    for position, example in enumerate(found):
        picture = only_bytes(example, features.IMAGE_BYTES)
        if distances is None or not picture:
            yield compared(example, {})
            continue
        # Which pictures are measured depends on the pictures alone, not on their order.
        entry = (hashlib.sha256(picture).hexdigest(), position, example)
        if len(held) < _MAX_MEASURED:
            heapq.heappush(held, entry)
        else:
            yield compared(heapq.heappushpop(held, entry)[-1], {})
    if distances is None or not held:
        return
    values = distances.of([only_bytes(example, features.IMAGE_BYTES) for *_, example in held])
    for (*_, example), value in zip(held, values, strict=True):
        counts.num_embedded += value is not None
        yield compared(example, {} if value is None else {features.EMBEDDING_DISTANCE: number(value)})


def _is_sound(example: tf.train.Example) -> bool:
    found = example.features.feature
    return all(
        math.isfinite(value) for key in features.SERVED_NUMBERS if key in found for value in found[key].float_list.value
    )


def _is_of(example: tf.train.Example, fingerprint: str) -> bool:
    return not fingerprint or only_bytes(example, features.MODEL).decode() in ("", fingerprint)
