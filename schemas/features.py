"""The keys of an ingested example, spelled in one place."""

from typing import Final

# Raw features, written by ingest.
IMAGE_BYTES: Final = "image_bytes"  # bytes [1]: the file as it came, still encoded
LABEL: Final = "label"  # bytes [1]: class name, UTF-8
URI: Final = "uri"  # bytes [1]: where the picture was read from
CONTENT_HASH: Final = "content_hash"  # bytes [1]: hex sha256 of the decoded pixels
GROUP: Final = "group"  # bytes [1]: hex sha256 of what it shares with pictures in the same split, or its content hash

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

# What a served model said of a picture: in the log of requests, and in the reference that the log is compared with.
PREDICTED_CLASS: Final = "predicted_class"  # bytes: class name, UTF-8
CONFIDENCE: Final = "confidence"  # float32, 0..1: the predicted class's probability
EMBEDDING_DISTANCE: Final = "embedding_distance"  # float32: from the backbone's features to the reference's mean
SERVED_AT: Final = "served_at"  # int64, seconds since 1970, UTC; in the log alone
MODEL: Final = "model"  # bytes: hex sha256 of its weights, empty where they are not known; in the log alone

# The derived scalars by kind: what a log of requests is compared by, whether or not it keeps the pictures.
NUMBERS: Final = (HEIGHT, WIDTH, NUM_BYTES, *CHANNEL_MEANS, *CHANNEL_STDS, SHARPNESS)
SERVED_NUMBERS: Final = (*NUMBERS, CONFIDENCE, EMBEDDING_DISTANCE)
SERVED_NAMES: Final = (FORMAT, PREDICTED_CLASS)

# What ingest writes: images to train on, images that say when to stop, and images that only the gate sees.
TRAIN: Final = "train"
STOP: Final = "stop"
EVAL: Final = "eval"
SPLITS: Final = (TRAIN, STOP, EVAL)
# What is evaluated and judged.
JUDGED: Final = (TRAIN, EVAL)
# Of the monitoring pipeline.
SERVING: Final = "serving"
REFERENCE: Final = "reference"
