"""The backbone: Keras' ResNet50 without its classifier."""

from collections.abc import Iterator
from typing import Final

import keras

FAMILY: Final = "resnet50"
EMBEDDING_SIZE: Final = 2048


def build(image_size: int, momentum: float | None = None) -> keras.Model:
    """Builds ResNet50 with random weights.

    Args:
        image_size: Side of the square input, in pixels.
        momentum: BatchNorm momentum; None keeps Keras' 0.99.

    Returns:
        A model from float32 [batch, image_size, image_size, 3] to float32 [batch, 2048].

    Source: He et al. 2015, arXiv:1512.03385.
    """
    backbone = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(image_size, image_size, 3), pooling="avg", name=FAMILY
    )
    if momentum is not None:
        for layer in batch_norm_layers(backbone):
            layer.momentum = momentum
    return backbone


def batch_norm_layers(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    """Yields every BatchNormalization layer of a model, nested ones included."""
    yield from (layer for layer in flatten(model) if isinstance(layer, keras.layers.BatchNormalization))


def flatten(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields a layer and all layers inside it, depth first, each once."""
    seen: set[int] = set()
    stack = [layer]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        stack.extend(reversed(getattr(current, "layers", [])))


def top_blocks(backbone: keras.Model, num_blocks: int) -> list[keras.layers.Layer]:
    """Returns the layers of the last residual blocks.

    Args:
        backbone: A model from `build`.
        num_blocks: 0..16, counted from the output.

    Raises:
        ValueError: ResNet50 has no such number of blocks.
    """
    names = sorted({block for layer in backbone.layers if (block := _block_of(layer.name))})
    if not 0 <= num_blocks <= len(names):
        raise ValueError(
            f"trainer.fine_tune.blocks must be 0 to {len(names)} or all; received {num_blocks}. "
            "ResNet50 has no more residual blocks."
        )
    chosen = set(names[len(names) - num_blocks :])
    return [layer for layer in backbone.layers if _block_of(layer.name) in chosen]


def _block_of(layer_name: str) -> str:
    """`conv5_block2_1_bn` belongs to `conv5_block2`; the stem belongs to none, the empty name."""
    stage, _, rest = layer_name.partition("_block")
    return f"{stage}_block{rest[0]}" if rest else ""
