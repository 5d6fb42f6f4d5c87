"""Decodes bytes to an upright RGB picture by graph operations, so that training and serving cannot differ."""

from typing import Final

import tensorflow as tf

_EXIF_SIGNATURE: Final = b"Exif\x00\x00"
_ORIENTATION_TAG: Final = 0x0112
_NUM_LEADING_BYTES: Final = 4096
_MAX_IFD_ENTRIES: Final = 128


def decode_image(contents: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG or GIF (first frame) into an upright RGB picture.

    Grey and palette pictures become RGB, CMYK is converted, 16 bits are cut to 8, transparency is laid over white,
    and a JPEG's EXIF orientation is applied. BMP is refused: the decoder reads a palette's indices as grey values.

    Args:
        contents: string [], the encoded file.

    Returns:
        uint8 [height, width, 3], 0..255.

    Raises:
        tf.errors.InvalidArgumentError: The bytes are not a complete picture in one of these formats; truncated
            files are refused, never filled up.
    """
    contents = tf.reshape(contents, [])
    picture = tf.case(
        [
            (_starts_with(contents, b"\xff\xd8\xff"), lambda: _decode_jpeg(contents)),
            (_starts_with(contents, b"\x89PNG"), lambda: _decode_png(contents)),
        ],
        default=lambda: tf.io.decode_gif(contents)[0],
    )
    return tf.ensure_shape(picture, [None, None, 3])


def _starts_with(contents: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(contents, 0, len(magic)), magic)


def _decode_jpeg(contents: tf.Tensor) -> tf.Tensor:
    # The fast discrete cosine transform differs between processors; the accurate one does not.
    picture = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    return upright(picture, exif_orientation(contents))


def _decode_png(contents: tf.Tensor) -> tf.Tensor:
    # A picture without alpha must not be read with four channels: the decoder would invent an alpha of 2^depth - 1.
    return tf.cond(_png_has_alpha(contents), lambda: _over_white(contents), lambda: tf.io.decode_png(contents, 3))


def _png_has_alpha(contents: tf.Tensor) -> tf.Tensor:
    data = _leading_bytes(contents)
    colour_type = tf.gather(tf.pad(data, [[0, 26]]), 25)
    transparent_entry = tf.reduce_any(_positions(data, b"tRNS"))
    return (colour_type == 4) | (colour_type == 6) | transparent_entry


def _over_white(contents: tf.Tensor) -> tf.Tensor:
    picture = tf.cast(tf.io.decode_png(contents, channels=4), tf.float32)
    colour, alpha = picture[..., :3], picture[..., 3:] / 255.0
    # Without its alpha a transparent pixel has whatever colour the writer left; over white it is as viewers show it.
    return tf.cast(tf.round(colour * alpha + 255.0 * (1.0 - alpha)), tf.uint8)


def _leading_bytes(contents: tf.Tensor) -> tf.Tensor:
    """Returns the first bytes, int32 [at most 4096]; every writer that we know puts the metadata there."""
    return tf.cast(tf.io.decode_raw(tf.strings.substr(contents, 0, _NUM_LEADING_BYTES), tf.uint8), tf.int32)


def _positions(data: tf.Tensor, signature: bytes) -> tf.Tensor:
    """Returns bool [size]: whether `signature` starts at each position of `data`."""
    width = len(signature)
    padded = tf.pad(data, [[0, width]])
    windows = tf.stack([padded[shift : shift + tf.size(data)] for shift in range(width)], axis=1)
    return tf.reduce_all(windows == tf.constant(list(signature)), axis=1)


def exif_orientation(contents: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from a JPEG's EXIF block.

    Args:
        contents: string [], a JPEG file.

    Returns:
        int32 [], 1..8; 1 (upright) where there is no such entry or the block is malformed.

    Source: CIPA DC-008 (Exif 2.32), tag 0x0112; TIFF 6.0 for the directory.
    """
    data = _leading_bytes(contents)
    size = tf.size(data)
    padded = tf.pad(data, [[0, 1]])

    def byte(position: tf.Tensor) -> tf.Tensor:
        # Reads past the end give the padding's zero, which no check below accepts.
        inside = (position >= 0) & (position < size)
        return tf.gather(padded, tf.where(inside, position, size))

    starts = tf.range(size)
    is_segment = _positions(data, _EXIF_SIGNATURE) & (byte(starts - 4) == 0xFF) & (byte(starts - 3) == 0xE1)
    tiff = tf.cast(tf.argmax(tf.cast(is_segment, tf.int32)), tf.int32) + len(_EXIF_SIGNATURE)
    is_little_endian = byte(tiff) == ord("I")

    def uint16(position: tf.Tensor) -> tf.Tensor:
        first, second = byte(position), byte(position + 1)
        return tf.where(is_little_endian, first + 256 * second, 256 * first + second)

    # The low half of the directory's 32-bit offset is enough, because only the leading bytes are searched.
    directory = tiff + tf.where(is_little_endian, uint16(tiff + 4), uint16(tiff + 6))
    entries = directory + 2 + 12 * tf.range(tf.minimum(uint16(directory), _MAX_IFD_ENTRIES))
    values = tf.where(uint16(entries) == _ORIENTATION_TAG, uint16(entries + 8), 0)
    orientation = tf.reduce_max(tf.concat([values, [0]], axis=0))
    known = tf.reduce_any(is_segment) & (orientation >= 1) & (orientation <= 8)
    return tf.where(known, orientation, 1)


def upright(picture: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a stored picture upright, according to its EXIF orientation.

    Args:
        picture: [height, width, channels], any dtype.
        orientation: int32 [], 1..8.

    Returns:
        The picture, turned or mirrored; height and width swap for 5..8.
    """
    transposed = lambda: tf.transpose(picture, [1, 0, 2])  # noqa: E731  one expression, used four times
    turns = [
        lambda: picture,
        lambda: picture[:, ::-1],
        lambda: picture[::-1, ::-1],
        lambda: picture[::-1],
        transposed,
        lambda: transposed()[:, ::-1],
        lambda: transposed()[::-1, ::-1],
        lambda: transposed()[::-1],
    ]
    return tf.switch_case(orientation - 1, turns)
