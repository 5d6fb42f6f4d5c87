"""YAML of plain values: no tags that make objects, no key twice, no aliases that grow, no endless nesting."""

from collections.abc import Hashable
from typing import Any, Final

import yaml

# A configuration has a few hundred, class names may be thousands; a compiled pipeline has some ten thousand.
_MOST_NODES: Final = 100_000
_TOO_DEEP: Final = "it is nested too deeply"


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with what it lets pass taken away."""

    def compose_document(self) -> yaml.Node | None:
        """Refuses a document that aliases make large."""
        node: yaml.Node | None = super().compose_document()
        if node is not None and _written_out(node, {}) > _MOST_NODES:
            problem = "its aliases (`*name`) make it too large; write out what is meant"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuses a key that is given twice or is no text."""
        seen: set[Hashable] = set()
        # PyYAML refuses what is no mapping.
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor` is no key.
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Refuses what is not of the kind that it says, and NUL characters."""
        try:
            value = super().construct_object(node, deep)
        # PyYAML's, of `!!int x` and its like.
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError):
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"found a !!{kind} that is none", node.start_mark
            ) from None
        if isinstance(value, str) and "\0" in value:
            raise yaml.constructor.ConstructorError(None, None, "a text holds a NUL character", node.start_mark)
        return value


def parse(text: str, loader: type[Loader] = Loader) -> Any:
    """Reads a text of one document; None where it says nothing.

    Raises:
        yaml.YAMLError: It is no YAML, or more than plain values.
    """
    try:
        return yaml.load(text, loader)
    except RecursionError:
        raise yaml.constructor.ConstructorError(None, None, _TOO_DEEP) from None


def parse_first(text: bytes) -> Any:
    """Reads the first document of several; None where there is none.

    Raises:
        yaml.YAMLError: As for `parse`.
    """
    try:
        return next(yaml.load_all(text, Loader), None)
    except RecursionError:
        raise yaml.constructor.ConstructorError(None, None, _TOO_DEEP) from None


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are with every alias written out; one that lies in itself counts once."""
    if id(node) not in known:
        known[id(node)] = 1
        inner = node.value if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = [one for pair in node.value for one in pair]
        known[id(node)] = 1 + sum(_written_out(one, known) for one in inner)
    return known[id(node)]
