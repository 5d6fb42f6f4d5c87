"""One picture: decoded as the served model decodes it, measured, and written as an example."""

import hashlib
from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import tensorflow as tf
from PIL import Image, ImageStat

from components.errors import public_place
from components.ingest.headers import HeaderRefused, check_header
from components.ingest.items import Container, Measured, Raw, Reject
from components.ingest.names import escaped, label_fault, op_message, uri_fault
from components.ingest.settings import DataSettings
from components.transform.decoding import decode_image
from schemas import features

Pixels = npt.NDArray[np.uint8]


class Inspector:
    """Looks at pictures one by one; holds the compiled decoder, so one an executor thread."""

    def __init__(self, settings: DataSettings) -> None:
        """Compiles the decoder that the Transform graph uses."""
        self._settings = settings
        signature = [tf.TensorSpec([], tf.string)]
        decode = tf.function(decode_image, input_signature=signature, autograph=False)
        self._decode = cast(Callable[[bytes], tf.Tensor], decode)

    def inspect(self, raw: Raw, container: Container) -> Measured | Reject:
        """Measures a picture or says why it is not used; never raises for what is wrong with it."""
        if fault := _name_reject(raw):
            return fault
        if self._settings.group and not raw.group:
            detail = f"nothing says which group it belongs to, as data.group ({self._settings.group}) asks"
            return Reject(raw.uri, "missing_group", escaped(detail))
        return self.look(raw, container)

    def look(self, raw: Raw, container: Container) -> Measured | Reject:
        """Does so whatever the picture is called."""
        try:
            kind = check_header(raw.data, self._settings.max_bytes, self._settings.max_pixels)
            pixels = self._decode(tf.constant(raw.data)).numpy()
        except HeaderRefused as error:
            return Reject(raw.uri, error.reason, error.detail)
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            return Reject(raw.uri, "corrupt", op_message(error.message))
        return measure(raw, container, kind, pixels)


def measure(raw: Raw, container: Container, kind: str, pixels: Pixels) -> Measured:
    """Derives the scalars that TFDV watches.

    Args:
        raw: The image as it came.
        container: Where it can be read again.
        kind: "jpeg", "png" or "gif".
        pixels: uint8 [height, width, 3].
    """
    picture = Image.fromarray(pixels)
    # Pillow works from histograms: exact, and without a float copy of a large picture.
    moments = ImageStat.Stat(picture)
    red, green, blue = (float(value) for value in moments.mean)
    red_std, green_std, blue_std = (float(value) for value in moments.stddev)
    shown = content_hash(pixels)
    return Measured(
        container=container,
        position=raw.position,
        uri=raw.uri,
        label=raw.label,
        split=raw.split,
        digest=hashlib.sha256(raw.data).hexdigest(),
        content_hash=shown,
        height=pixels.shape[0],
        width=pixels.shape[1],
        num_bytes=len(raw.data),
        format=kind,
        channel_means=(red, green, blue),
        channel_stds=(red_std, green_std, blue_std),
        sharpness=_sharpness(picture),
        group=_digest(raw.group) if raw.group else shown,
    )


def _digest(group: str) -> str:
    """Hides a group's name, which may be a patient's, and still tells groups apart."""
    return hashlib.sha256(b"frostgate/group/1" + group.encode("utf-8", "surrogateescape")).hexdigest()


def content_hash(pixels: Pixels) -> str:
    """Digests what a picture shows, whatever file it came in.

    Args:
        pixels: uint8 [height, width, 3].

    Returns:
        Hex sha256 over shape and values.
    """
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def build_example(measured: Measured, data: bytes) -> tf.train.Example:
    """Builds the example that every later step reads.

    Args:
        measured: The picture's scalars.
        data: Its encoded bytes.

    Returns:
        The keys of `schemas.features`, one value each.

    Raises:
        ValueError: The bytes are not those that were measured.
    """
    if hashlib.sha256(data).hexdigest() != measured.digest:
        raise ValueError(
            f"{public_place(measured.uri)} changed while it was being read; run again when nothing writes to the data."
        )
    values = {
        features.IMAGE_BYTES: _bytes(data),
        features.LABEL: _bytes(measured.label.encode()),
        features.URI: _bytes(public_place(measured.uri).encode()),
        features.CONTENT_HASH: _bytes(measured.content_hash.encode()),
        features.GROUP: _bytes(measured.group.encode()),
        **scalar_features(measured),
    }
    return tf.train.Example(features=tf.train.Features(feature=values))


def scalar_features(measured: Measured) -> dict[str, tf.train.Feature]:
    """The derived scalars, which tell nobody what a picture shows: key of `schemas.features` -> one value."""
    integers = {
        features.HEIGHT: measured.height,
        features.WIDTH: measured.width,
        features.NUM_BYTES: measured.num_bytes,
    }
    floats = {
        **dict(zip(features.CHANNEL_MEANS, measured.channel_means, strict=True)),
        **dict(zip(features.CHANNEL_STDS, measured.channel_stds, strict=True)),
        features.SHARPNESS: measured.sharpness,
    }
    found = {features.FORMAT: _bytes(measured.format.encode())}
    found |= {key: tf.train.Feature(int64_list=tf.train.Int64List(value=[one])) for key, one in integers.items()}
    return found | {key: tf.train.Feature(float_list=tf.train.FloatList(value=[one])) for key, one in floats.items()}


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _name_reject(raw: Raw) -> Reject | None:
    if fault := uri_fault(raw.uri):
        return Reject(escaped(raw.uri), "bad_name", fault)
    if not raw.label:
        return Reject(raw.uri, "missing_label", "the record names no class")
    if fault := label_fault(raw.label):
        return Reject(raw.uri, "bad_label", f"the class {escaped(raw.label)!r} is refused: {fault}")
    return None


def _sharpness(picture: Image.Image) -> float:
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    return float(scipy.ndimage.laplace(grey).var(dtype=np.float64))
