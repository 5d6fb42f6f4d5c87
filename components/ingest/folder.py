"""A class-per-folder tree, with or without `train` and `eval` above the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import DataRefused
from components.ingest import storage
from components.ingest.groups import Grouping, grouping_of
from components.ingest.items import Container, Listing, Reject
from components.ingest.names import escaped, label_fault, split_of, uri_fault
from components.ingest.settings import DataSettings
from schemas import features


@dataclass(frozen=True, slots=True)
class _Tree:
    files: Any
    root: str
    stamps: Sequence[storage.FileStamp]
    folders: Sequence[str]

    def parts(self, path: str) -> list[str]:
        return path[len(self.root) :].strip("/").split("/")


def list_folder(settings: DataSettings) -> Listing:
    """Lists a class-per-folder tree.

    Every file at any depth below a class folder belongs to the class; hidden files are no data.

    Raises:
        DataRefused: The folder is missing or empty, holds no class folder, a class folder is empty, or only one of
            the two splits is there.
    """
    tree = _read_tree(settings.uri)
    grouping = grouping_of(settings.group, "a folder of images", "folder", "path")
    is_split = _split_folders(tree, settings.uri)
    depth = 1 if is_split else 0
    _refuse_empty_folders(tree, depth, settings.uri)
    containers, rejects, labels = [], [], set()
    for position, stamp in enumerate(tree.stamps):
        item = _item(tree, stamp, position, depth, grouping)
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            containers.append(item)
            labels.add(item.label or "")
    if not containers:
        raise DataRefused(f"{settings.uri} has no class folders with images; expected {settings.uri}/CLASS/FILE.")
    named = [("/".join(tree.parts(stamp.path)), stamp) for stamp in tree.stamps]
    return Listing(
        "folder", tuple(containers), storage.fingerprint(named), is_split, tuple(sorted(labels)), tuple(rejects)
    )


def _read_tree(uri: str) -> _Tree:
    files, root = storage.filesystem(uri)
    if not files.isdir(root):
        # Asked only here: in a bucket every question is a request.
        if files.isfile(root):
            raise DataRefused(
                f"{uri} is a file; set data.uri to a folder that holds one folder a class, a CSV or Parquet manifest, "
                "or TFRecord files."
            )
        raise DataRefused(f"The folder {uri} was not found; set data.uri to a folder that holds one folder a class.")
    stamps, folders = storage.walk(files, root)
    if not stamps and not folders:
        raise DataRefused(f"The folder {uri} is empty; put one folder of images a class into it.")
    return _Tree(files, root, stamps, folders)


def _split_folders(tree: _Tree, uri: str) -> bool:
    """Whether the top level is `train` and `eval`; a folder named so that holds images directly is a class."""
    tops = {parts[0] for parts in map(tree.parts, tree.folders)}
    direct = {parts[0] for parts in (tree.parts(stamp.path) for stamp in tree.stamps) if len(parts) == 2}
    found = {name: split_of(name) for name in tops - direct if split_of(name)}
    if not found:
        return False
    if set(found.values()) != set(features.JUDGED) or len(found) != 2:
        raise DataRefused(
            f"{uri} holds {' and '.join(sorted(found))} folders; given splits need `train` and one of `eval`, `val` "
            "and `validation`, each with one folder a class."
        )
    if others := sorted(tops - set(found)):
        raise DataRefused(f"{uri} holds {escaped(others[0])} beside its train and eval folders; move it away.")
    return True


def _refuse_empty_folders(tree: _Tree, depth: int, uri: str) -> None:
    class_folders = {tuple(parts) for parts in map(tree.parts, tree.folders) if len(parts) == depth + 1}
    filled = {tuple(parts[: depth + 1]) for parts in (tree.parts(stamp.path) for stamp in tree.stamps)}
    if empty := sorted(escaped("/".join(parts)) for parts in class_folders - filled):
        raise DataRefused(f"The class folder {empty[0]} in {uri} is empty; add images to it or remove it.")


def _item(tree: _Tree, stamp: storage.FileStamp, position: int, depth: int, grouping: Grouping) -> Container | Reject:
    parts = tree.parts(stamp.path)
    uri = storage.with_protocol(tree.files, stamp.path)
    if fault := uri_fault("/".join(parts)):
        return Reject(escaped(uri), "bad_name", fault)
    if len(parts) < depth + 2:
        return Reject(uri, "outside_class_folders", "the file lies beside the class folders, so that it has no class")
    if fault := label_fault(parts[depth]):
        return Reject(escaped(uri), "bad_label", f"the class {escaped(parts[depth])!r} is refused: {fault}")
    group = grouping.of_path("/".join(parts), tuple(parts[depth + 1 : -1]))
    return Container("file", uri, parts[depth], split_of(parts[0]) if depth else None, position, group)
