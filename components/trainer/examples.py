"""Ingested examples as batches, through the Transform graph that serving uses."""

import hashlib
from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_transform as tft

from schemas import features

Batch = tuple[tf.Tensor, tf.Tensor]
# A function that `tf.data` takes. AutoGraph would rewrite its source and that of all that it calls, which takes seconds
# where Transform's layer is called and changes nothing: none of it branches on a tensor.
as_written = tf.autograph.experimental.do_not_convert


class ExampleReader:
    """Reads ingested examples and applies the Transform graph to them."""

    def __init__(self, transform_graph_path: str) -> None:
        """Loads the graph once.

        Args:
            transform_graph_path: Uri of a TransformGraph artifact.
        """
        transform = tft.TFTransformOutput(transform_graph_path)
        self.layer = transform.transform_features_layer()
        self.fingerprint = _graph_hash(transform.transform_savedmodel_dir)
        self._spec = {
            key: spec
            for key, spec in transform.raw_feature_spec().items()
            if key in (features.IMAGE_BYTES, features.LABEL)
        }

    @as_written
    def transform_serialized(self, serialized: tf.Tensor) -> Batch:
        """Parses and transforms a batch.

        Args:
            serialized: string [batch], tf.train.Example of raw features.

        Returns:
            Pixels float32 [batch, size, size, 3] and label index int64 [batch].
        """
        out = self.layer(tf.io.parse_example(serialized, self._spec))
        return out[features.PIXELS], out[features.LABEL_INDEX]

    def transform_images(self, contents: tf.Tensor) -> tf.Tensor:
        """Transforms encoded pictures that have no label, as in serving.

        Args:
            contents: string [batch], encoded files.

        Returns:
            Pixels float32 [batch, size, size, 3].
        """
        # The graph was traced for the one shape that the schema declares, [batch] or [batch, 1].
        shape = self._spec[features.IMAGE_BYTES].shape
        return self.layer({features.IMAGE_BYTES: tf.reshape(contents, [-1, *shape])})[features.PIXELS]

    def batches(self, files: Sequence[str], batch_size: int) -> tf.data.Dataset:
        """Streams every example once, in order.

        Args:
            files: Gzipped TFRecord shards.
            batch_size: Examples a batch.

        Returns:
            Batches of pixels float32 [batch, size, size, 3] and label index int64 [batch]; the last may be smaller.
        """
        return (
            _records(files)
            .batch(batch_size)
            .map(self.transform_serialized, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(2)
        )

    def labels(self, files: Sequence[str], batch_size: int = 1024) -> tf.data.Dataset:
        """Streams label indices int64 [batch] without decoding a picture."""
        key = features.LABEL
        spec = {key: self._spec[key]}
        return (
            _records(files)
            .batch(batch_size)
            .map(as_written(lambda serialized: self.layer(tf.io.parse_example(serialized, spec))[features.LABEL_INDEX]))
        )

    def epochs(
        self,
        files: Sequence[str],
        batch_size: int,
        first_epoch: int,
        last_epoch: int,
        seed: int,
        augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    ) -> tf.data.Dataset:
        """Streams shuffled epochs, each ending in its own smaller batch, that do not depend on the epochs before.

        An epoch's order and augmentation follow from (seed, epoch) alone, so a resumed run sees the same batches.

        Args:
            files: Gzipped TFRecord shards.
            batch_size: Images a step.
            first_epoch: Epoch to start with.
            last_epoch: The epoch after the last one.
            seed: Seed of order and augmentation.
            augment: Takes pixels float32 [batch, size, size, 3] and a seed int32 [2], and returns changed pixels; None:
                pixels are not changed.

        Returns:
            Batches of pixels float32 [batch, size, size, 3] and label index int64 [batch].
        """

        @as_written
        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            # The buffer's 4,096 encoded photographs take a few hundred megabytes. It need not hold a whole shard,
            # because ingest has already shuffled the shards by hash.
            shuffled = _records(files).shuffle(4096, seed=seed * 100_003 + epoch, reshuffle_each_iteration=False)
            batches = shuffled.batch(batch_size).map(
                self.transform_serialized, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
            )
            if augment is None:
                return batches
            return batches.enumerate().map(
                as_written(
                    lambda step, batch: (
                        augment(batch[0], tf.cast(tf.stack([epoch * 1_000_003 + step, seed]), tf.int32)),
                        batch[1],
                    )
                )
            )

        return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(one_epoch).prefetch(2)


def _graph_hash(saved_model_dir: str) -> str:
    with tf.io.gfile.GFile(f"{saved_model_dir}/saved_model.pb", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _records(files: Sequence[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
