"""TensorFlow Datasets, by name, as prepared on disk."""

import functools
import json
from collections.abc import Iterator
from typing import Any

from components.errors import DataRefused
from components.ingest import storage
from components.ingest.groups import Grouping, grouping_of
from components.ingest.items import Broken, Container, Listing, Raw
from components.ingest.names import escaped, op_message
from components.ingest.settings import DataSettings

PREFIX = "tfds:"
# The first of these that a data set has is the validation side.
_EVAL_SPLITS = ("validation", "eval", "val", "test")


def list_dataset(settings: DataSettings) -> Listing:
    """Lists a prepared TFDS data set, shard by shard.

    Raises:
        DataRefused: tensorflow_datasets is not installed, the name is unknown, the data set is not prepared, or it
            has no image with a class label.
    """
    grouping = grouping_of(settings.group, "TensorFlow Datasets", "column")
    name = settings.uri.removeprefix(PREFIX)
    builder = _builder(name)
    _, label_key = _keys(builder, name)
    if grouping.column and grouping.column not in builder.info.features:
        raise DataRefused(
            f"{name} must have the feature {escaped(grouping.column)}, which data.group names; it has "
            f"{', '.join(sorted(builder.info.features))}."
        )
    sides = _sides(builder)
    containers = [
        Container("tfds", name, label=split, split=side, position=shard)
        for split, side in sides.items()
        for shard in range(builder.info.splits[split].num_shards)
    ]
    files, root = storage.filesystem(str(builder.data_dir))
    stamps, _ = storage.walk(files, root)
    named = [(stamp.path[len(root) :], stamp) for stamp in stamps]
    return Listing(
        "tfds",
        tuple(containers),
        storage.fingerprint(named),
        set(sides.values()) != {None},
        tuple(sorted(builder.info.features[label_key].names)),
    )


def read_dataset(container: Container, settings: DataSettings) -> Iterator[Raw | Broken]:
    """Reads one shard; the pictures stay encoded.

    Yields:
        `Raw` an example; at last one `Broken` if the shard is damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = _builder(container.uri)
    image_key, label_key = _keys(builder, container.uri)
    names, column = builder.info.features[label_key], Grouping.of(settings.group).column
    shard = f"{container.label}[{container.position}shard:{container.position + 1}shard]"
    position = 0
    try:
        data = builder.as_dataset(split=shard, decoders={image_key: tfds.decode.SkipDecoding()}, shuffle_files=False)
        for position, example in enumerate(data.as_numpy_iterator()):
            uri = f"{PREFIX}{container.uri}/{shard}#{position}"
            index = int(example[label_key])
            label = names.int2str(index) if index >= 0 else ""
            group = _text(example[column]) if column else ""
            yield Raw(uri, label, container.split, position, bytes(example[image_key]), group)
            position += 1
    except tf.errors.OpError as error:
        is_pickle = "arrow.py_extension_type" in error.message
        said = "a column has an extension type, whose code was not run" if is_pickle else op_message(error.message)
        yield Broken(f"{PREFIX}{container.uri}/{shard}", f"record {position}: {said}")


def _text(value: Any) -> str:
    """A text or number of an example as text; empty where it is neither."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value.item()) if getattr(value, "ndim", None) == 0 else ""


def _builder(name: str) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataRefused("tfds: needs tensorflow_datasets, which is missing; install frostgate[tfds].") from error
    from components.foreign import parquet

    # A data set's shards may be Parquet files.
    parquet.forbid_pickles()
    _forbid_foreign_features()
    dataset, _, data_dir = name.partition("@")
    try:
        parsed, _ = tfds.core.naming.parse_builder_name_kwargs(dataset)
        if parsed.namespace:
            raise DataRefused(
                f"{dataset} is code that somebody published, which is not run; prepare the data set by hand and give "
                "its name without a namespace."
            )
        builder = tfds.builder(dataset, data_dir=data_dir or None)
    except DataRefused:
        raise
    except json.JSONDecodeError as error:
        raise _damaged(dataset) from error
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise DataRefused(f"TensorFlow Datasets has no {dataset!r}; check the name in data.uri.") from error
    # What a description can make go wrong is anything.
    except Exception as error:
        raise _damaged(dataset) from error
    if not builder.is_prepared():
        raise DataRefused(f"{dataset} is not prepared in {builder.data_dir}; run `tfds build {dataset}` first.")
    return builder


def _damaged(dataset: str) -> DataRefused:
    return DataRefused(f"The prepared {dataset} is damaged; run `tfds build {dataset}` again.")


@functools.cache
def _forbid_foreign_features() -> None:
    """Keeps TFDS, in this process, from importing the module of a feature that prepared data name beside its own.

    Prepared data may lie behind links and in folders that their metadata name: only TFDS knows what it reads.
    """
    import tensorflow_datasets as tfds

    connector = tfds.features.FeatureConnector
    class_of = connector.cls_from_name

    def own(python_class_name: str) -> Any:
        if not str(python_class_name).startswith("tensorflow_datasets."):
            raise DataRefused(
                f"The data set has the feature {escaped(str(python_class_name))}, which was not imported; use the "
                "features of TensorFlow Datasets."
            )
        return class_of(python_class_name)

    connector.cls_from_name = staticmethod(own)


def _keys(builder: Any, name: str) -> tuple[str, str]:
    import tensorflow_datasets as tfds

    images = [key for key, kind in builder.info.features.items() if isinstance(kind, tfds.features.Image)]
    labels = [key for key, kind in builder.info.features.items() if isinstance(kind, tfds.features.ClassLabel)]
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    supervised = tuple(builder.info.supervised_keys or ())
    if len(supervised) == 2 and supervised[0] in images and supervised[1] in labels:
        return str(supervised[0]), str(supervised[1])
    raise DataRefused(f"{name} has {len(images)} image and {len(labels)} class features; one of each is needed.")


def _sides(builder: Any) -> dict[str, str | None]:
    names = list(builder.info.splits)
    given = next((name for name in _EVAL_SPLITS if name in names), None)
    if "train" in names and given:
        return {"train": "train", given: "eval"}
    return dict.fromkeys(names)
