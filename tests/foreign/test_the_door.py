"""Whoever reads a file of a kind that can do harm goes through `components/foreign`, or says here why not."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What unpacks, parses or loads; a name that begins with `.` is a method of anything.
READERS = (
    *("json.load", "json.loads", "yaml.*load*", "csv.reader", "csv.DictReader", "xml.*fromstring", "xml.*parse"),
    *("pickle.*", "cPickle.*", "dill.*", "joblib.*", "marshal.*", "shelve.*", "cloudpickle.*", "torch.*"),
    *("zipfile.ZipFile", "tarfile.*", "gzip.[!B]*", "bz2.*", "lzma.*", "zlib.decompress*", "shutil.unpack_archive"),
    *(
        "numpy.load",
        "numpy.loadtxt",
        "numpy.genfromtxt",
        "numpy.fromfile",
        "numpy.memmap",
        "h5py.File",
        "sqlite3.connect",
    ),
    *("pyarrow.*", "pandas.read_*", "PIL.Image.open", "fsspec.open*", "tensorflow_datasets.builder"),
    *("tensorflow_datasets.load", "tensorflow.saved_model.load", "tensorflow.*TFRecordDataset", "keras.*load_model"),
    *("keras.*TFSMLayer", ".load_weights", ".FromString", ".ParseFromString", "*text_format.Parse"),
)

OWN = "the run made it, and the runner compares its contents before a step reads them (pipeline/runners/contents.py)"
HASHED = "it came from the registry, with the hash that was registered"
WORK = "it lies in the step's own folder for work, with sums beside it, or is gone when the step ends"
CHECKED = "the door looked at the file on the lines before"
HEADER = "ingest passed its header, and no more pixels than it was told"
STORE = "the pipeline's own store, or the registry that the configuration names"

# Module -> reader -> why it does not go through the door.
EXCEPTIONS = {
    "components/backbone/weights.py": {".load_weights": CHECKED},
    "components/card/svg.py": {"xml.etree.ElementTree.fromstring": "matplotlib drew it in this process"},
    "components/cases/cifar.py": {
        "PIL.Image.open": "32 x 32 pixels are decoded, or none",
        **dict.fromkeys(("tarfile.open", "tarfile.TarError"), "the door opened it, and 64 KiB of a picture are read"),
    },
    "components/confinement/inside.py": {"json.loads": "the parent wrote it, and nothing is imported before"},
    "components/copies/store.py": {"numpy.memmap": WORK},
    "components/data_gate/component.py": {".FromString": OWN, "google.protobuf.text_format.Parse": OWN},
    "components/diagnosis/probes.py": {"keras.layers.TFSMLayer": "it asks whether a layer is one"},
    "components/doctor/loading.py": {"keras.saving.load_model": CHECKED, "keras.layers.TFSMLayer": CHECKED},
    "components/drift/component.py": {".FromString": OWN},
    "components/drift/samples.py": {"tensorflow.data.TFRecordDataset": OWN, ".FromString": OWN},
    "components/ingest/datasets.py": {"tensorflow_datasets.builder": "it makes its module's own door before"},
    "components/ingest/headers.py": {"PIL.Image.open": "the door for pictures: no pixel is decoded"},
    "components/ingest/shards.py": {".FromString": CHECKED},
    "components/predict/local.py": {"tensorflow.saved_model.load": CHECKED},
    "components/push_gate/examples.py": {"tensorflow.data.TFRecordDataset": OWN, ".FromString": OWN},
    "components/push_gate/exported.py": {"tensorflow.saved_model.load": OWN},
    "components/push_gate/pictures.py": {"PIL.Image.open": HEADER},
    "components/push_gate/training_mode.py": {"keras.saving.load_model": OWN},
    "components/registry/mlflow_connection.py": {"sqlite3.connect": STORE},
    "components/serving_check/launch.py": {"json.loads": "our own process answers, and its NaN is a finding"},
    "components/serving_check/probe.py": {"json.loads": OWN, "tensorflow.saved_model.load": OWN},
    "components/serving_check/reference.py": {
        **{"tensorflow.data.TFRecordDataset": OWN, ".FromString": OWN, "tensorflow.saved_model.load": OWN},
        "keras.saving.load_model": OWN,
    },
    "components/serving_check/requests.py": {"PIL.Image.open": HEADER},
    "components/serving_log/embeddings.py": {"tensorflow.saved_model.load": HASHED},
    "components/serving_log/reading.py": {".FromString": CHECKED},
    "components/serving_log/reference.py": {"tensorflow.data.TFRecordDataset": HASHED, ".FromString": HASHED},
    "components/trainer/checkpoints.py": {"numpy.load": WORK},
    "components/trainer/examples.py": {"tensorflow.data.TFRecordDataset": OWN},
    "components/trainer/feature_cache.py": {"numpy.memmap": WORK, "numpy.fromfile": WORK},
    "pipeline/runners/place.py": {"sqlite3.connect": STORE},
    "pipeline/runners/pruning.py": {"sqlite3.connect": STORE},
    "pipeline/runners/store.py": {"sqlite3.connect": STORE},
    "schemas/images.py": {"google.protobuf.text_format.Parse": "it is part of the program"},
}


def readers_of(source: str) -> set[str]:
    """The raw readers that a module calls or names, by their full names."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            # `import a.b` binds a, and `import a.b as c` a.b.
            plain = [one.name.split(".")[0] for one in node.names if not one.asname]
            names |= dict(zip(plain, plain, strict=True)) | {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return {name for node in ast.walk(tree) for name in _named(node, names) if _is_reader(name)}


def _named(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield f".{node.attr}"
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in names:
        yield ".".join([names[node.id], *path])


def _is_reader(name: str) -> bool:
    return any(fnmatch(name, reader) for reader in READERS)


def test_nobody_reads_files_of_others_beside_the_door():
    modules = [path for folder in ("schemas", "components", "pipeline") for path in (ROOT / folder).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT)): readers
        for path in (*modules, ROOT / "frostgate.py")
        if path.parent.name != "foreign" and (readers := readers_of(path.read_text()))
    }
    assert found == {module: set(readers) for module, readers in EXCEPTIONS.items()}


def test_a_reader_is_found_under_any_name():
    source = """
import numpy as np, json
from zipfile import ZipFile as Archive
def late():
    import tensorflow as tf
    from keras.saving import load_model
    return tf.data.TFRecordDataset, load_model("x"), map(json.loads, ()), Archive("x"), model.load_weights("x")
np.load("x"), np.zeros(3)
"""
    assert readers_of(source) == {
        *("numpy.load", "json.loads", "zipfile.ZipFile", "tensorflow.data.TFRecordDataset", "keras.saving.load_model"),
        ".load_weights",
    }
