"""The keys of an ingested example, spelled in one place."""

from typing import Final

# Raw features, written by ingest.
IMAGE_BYTES: Final = "image_bytes"  # bytes [1]: the file as it came, still encoded
LABEL: Final = "label"  # bytes [1]: class name, UTF-8
URI: Final = "uri"  # bytes [1]: where the picture was read from
CONTENT_HASH: Final = "content_hash"  # bytes [1]: hex sha256 of the decoded pixels

# Derived scalars, one value each, so that TFDV has something to say about pictures.
HEIGHT: Final = "height"  # int64, pixels, after EXIF rotation
WIDTH: Final = "width"  # int64, pixels, after EXIF rotation
NUM_BYTES: Final = "num_bytes"  # int64, encoded size
FORMAT: Final = "format"  # bytes: "jpeg", "png" or "gif"
CHANNEL_MEANS: Final = ("mean_red", "mean_green", "mean_blue")  # float32, 0..255
CHANNEL_STDS: Final = ("std_red", "std_green", "std_blue")  # float32, 0..127.5
SHARPNESS: Final = "sharpness"  # float32, variance of the Laplacian of the grey picture

# Transformed features, what the Transform graph puts out.
PIXELS: Final = "pixels"  # float32 [image_size, image_size, 3], scaled for the backbone
LABEL_INDEX: Final = "label_index"  # int64 []: position in the class list, -1 when unknown

TRAIN: Final = "train"
EVAL: Final = "eval"
SPLITS: Final = (TRAIN, EVAL)
