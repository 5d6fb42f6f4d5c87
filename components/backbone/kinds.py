"""The backbones: networks from pixels to features, each described by one value with all that other modules need of it.

A new kind is one more entry at the end of this file, and no other change. This module imports Keras only when a network
is built, because the configuration is checked without Keras.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from components.preprocessing import CAFFE, TF, TORCH, Family

if TYPE_CHECKING:
    import keras

_PUBLISHED: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class Published:
    """ImageNet weights without a classifier, as Keras publishes them."""

    url: str
    digest: str
    """The file's hex sha256, or its md5 where Keras publishes no sha256."""


@dataclass(frozen=True)
class Backbone:
    """A network from float32 [batch, side, side, 3] to float32 [batch, embedding_size]."""

    kind: str
    """Its name in the configuration, and the name of the network as a layer of a classifier."""
    title: str
    """Its name in sentences."""
    construct: Callable[[int, str], "keras.Model"]
    """Takes the side in pixels, at least 32, and a name; returns a network with random weights. It scales no pixels."""
    family: Family
    """How its weights expect pixels to be scaled; only the Transform graph scales them."""
    embedding_size: int
    """The number of features."""
    block: str
    """Regular expression for the beginning of a layer's name that all layers of one block share."""
    num_blocks: int
    has_batch_norm: bool
    trained_at: int
    """Side in pixels of the pictures that its published weights were trained on."""
    published: Published | None
    """None where Keras publishes no weights."""

    def build(self, image_size: int, momentum: float | None = None) -> "keras.Model":
        """Builds the network with random weights.

        Args:
            image_size: Side of the square input, in pixels, at least 32.
            momentum: BatchNorm momentum, in (0, 1); None keeps the network's own.

        Returns:
            A model from float32 [batch, image_size, image_size, 3] to float32 [batch, embedding_size].
        """
        from components.backbone.layers import batch_norm_layers

        network = self.construct(image_size, self.kind)
        if momentum is not None:
            for layer in batch_norm_layers(network):
                layer.momentum = momentum
        return network

    def top_blocks(self, network: "keras.Model", num_blocks: int) -> list["keras.layers.Layer"]:
        """Returns the layers of the last blocks; a layer whose name is of no block belongs to the block before it.

        Args:
            network: A network that `build` made.
            num_blocks: How many blocks, counted from the output, 0 to the kind's `num_blocks`.

        Raises:
            ValueError: The network has fewer blocks.
        """
        if not 0 <= num_blocks <= self.num_blocks:
            raise ValueError(self.blocks_sentence(num_blocks))
        blocks = list(self._by_block(network))
        names = list(dict.fromkeys(name for _, name in blocks if name))
        chosen = set(names[len(names) - num_blocks :])
        return [layer for layer, name in blocks if name in chosen]

    def blocks_sentence(self, received: object) -> str:
        """Returns the sentence that refuses `received` as the number of blocks to train."""
        return (
            f"trainer.fine_tune.blocks must be 0 to {self.num_blocks} or all; received {received}. "
            f"{self.title} has {self.num_blocks} blocks."
        )

    def _by_block(self, network: "keras.Model") -> Iterator[tuple["keras.layers.Layer", str]]:
        """Yields every layer with its block's name, which is empty for the stem."""
        name = ""
        for layer in network.layers:
            match = re.match(self.block, layer.name)
            name = match.group() if match else name
            yield layer, name


def of(network: "keras.Model") -> Backbone:
    """Returns the kind of a network, which has the kind's name.

    Raises:
        ValueError: No kind has the network's name.
    """
    if network.name not in KINDS:
        raise ValueError(f"expected one of the networks {', '.join(KINDS)}; received {network.name}.")
    return KINDS[network.name]


def within(classifier: "keras.Model") -> "keras.Model":
    """Returns the backbone inside a classifier.

    Raises:
        ValueError: The classifier has no layer with the name of a kind.
    """
    for layer in classifier.layers:
        if layer.name in KINDS:
            return layer
    raise ValueError(f"expected a classifier with one of {', '.join(KINDS)}; received {classifier.name} without.")


def _application(name: str, **options: Any) -> Callable[[int, str], "keras.Model"]:
    """Returns the constructor of one of Keras' applications, with features averaged over the picture."""

    def construct(image_size: int, kind: str) -> "keras.Model":
        import keras

        shape = (image_size, image_size, 3)
        application = getattr(keras.applications, name)
        return application(include_top=False, weights=None, input_shape=shape, pooling="avg", name=kind, **options)

    return construct


def _efficientnet_v2_b0(image_size: int, kind: str) -> "keras.Model":
    import keras

    # Keras finds the architecture by the network's name, so the network is named by its kind only afterwards.
    whole = _application("EfficientNetV2B0", include_preprocessing=False)(image_size, "efficientnetv2-b0")
    return keras.Model(whole.input, whole.output, name=kind)


def _convnext_tiny(image_size: int, kind: str) -> "keras.Model":
    import keras

    whole = _application("ConvNeXtTiny", include_preprocessing=False)(image_size, kind)
    # Keras puts a running number into the last layer's name; a weight's name must not depend on what was built before.
    last = keras.layers.LayerNormalization(epsilon=1e-6, name="head_layernorm")
    return keras.Model(whole.input, last(whole.layers[-2].output), name=kind)


def _resnet8(image_size: int, kind: str) -> "keras.Model":
    from components.backbone.resnet8 import resnet8

    return resnet8((image_size, image_size, 3), kind)


KINDS: Final[Mapping[str, Backbone]] = {
    backbone.kind: backbone
    for backbone in (
        # He et al. 2015, arXiv:1512.03385.
        Backbone(
            kind="resnet50",
            title="ResNet50",
            construct=_application("ResNet50"),
            family=CAFFE,
            embedding_size=2048,
            block=r"conv\d_block\d+",
            num_blocks=16,
            has_batch_norm=True,
            trained_at=224,
            published=Published(
                f"{_PUBLISHED}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                "4d473c1dd8becc155b73f8504c6f6626",
            ),
        ),
        # He et al. 2016, arXiv:1603.05027.
        Backbone(
            kind="resnet50_v2",
            title="ResNet50V2",
            construct=_application("ResNet50V2"),
            family=TF,
            embedding_size=2048,
            block=r"conv\d_block\d+",
            num_blocks=16,
            has_batch_norm=True,
            trained_at=224,
            published=Published(
                f"{_PUBLISHED}/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                "fac2f116257151a9d068a22e544a4917",
            ),
        ),
        # Howard et al. 2019, arXiv:1905.02244.
        Backbone(
            kind="mobilenet_v3_large",
            title="MobileNetV3Large",
            construct=_application("MobileNetV3Large", include_preprocessing=False),
            family=TF,
            embedding_size=960,
            block=r"expanded_conv(_\d+)?(?=_[a-z])",
            num_blocks=15,
            has_batch_norm=True,
            trained_at=224,
            published=Published(
                f"{_PUBLISHED}/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
                "07fb09a5933dd0c8eaafa16978110389",
            ),
        ),
        # Tan and Le 2021, arXiv:2104.00298.
        Backbone(
            kind="efficientnet_v2_b0",
            title="EfficientNetV2B0",
            construct=_efficientnet_v2_b0,
            family=TORCH,
            embedding_size=1280,
            block=r"block\d+[a-z](?=_)",
            num_blocks=21,
            has_batch_norm=True,
            trained_at=224,
            published=Published(
                f"{_PUBLISHED}/efficientnet_v2/efficientnetv2-b0_notop.h5",
                "893217f2bb855e2983157299931e43ff",
            ),
        ),
        # Liu et al. 2022, arXiv:2201.03545.
        Backbone(
            kind="convnext_tiny",
            title="ConvNeXtTiny",
            construct=_convnext_tiny,
            family=TORCH,
            embedding_size=768,
            block=r"convnext_tiny_stage_\d_block_\d+",
            num_blocks=18,
            has_batch_norm=False,
            trained_at=224,
            published=Published(
                f"{_PUBLISHED}/convnext/convnext_tiny_notop.h5",
                "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
            ),
        ),
        Backbone(
            kind="resnet8",
            title="ResNet8",
            construct=_resnet8,
            family=TF,
            embedding_size=128,
            block=r"stage\d_block\d+",
            num_blocks=3,
            has_batch_norm=True,
            trained_at=32,
            published=None,
        ),
    )
}
