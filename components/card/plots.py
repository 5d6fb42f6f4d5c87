"""The card's plots; each is None where its evidence is missing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from components.card.formats import finite, interval, percent, plain
from components.card.svg import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, RED, inline_svg

MEASUREMENTS = {
    "A": "training images, training mode",
    "B": "same images, inference mode",
    "C": "validation images, inference mode",
}
_MEASUREMENT_COLOURS = {"A": BLUE, "B": ORANGE, "C": GREEN}
_CURVES = (
    ("", "training mode", BLUE, "-", "o"),
    ("train_", "same images, inference mode", ORANGE, "--", "s"),
    ("stop_", "images that say when to stop", GREEN, "-.", "^"),
)
_MAX_NAMED_CLASSES = 30
_MAX_ANNOTATED_CLASSES = 15
_MAX_MARKED_EPOCHS = 30


def accuracy_plot(measurements: Mapping[str, Any], baseline: Mapping[str, Any] | None, chance: Any) -> Markup | None:
    """Draws A, B and C with their intervals beside the majority share and the champion.

    Args:
        measurements: `measurements` of the verdict.
        baseline: `baseline` of the verdict.
        chance: What C's lower bound must exceed, in [0, 1].
    """
    shown = {name: measurements.get(name) or {} for name in MEASUREMENTS}
    if all(finite(one.get("value")) is None for one in shown.values()):
        return None
    lines = [
        ("majority class", finite(measurements.get("majority_share")), MUTED, ":"),
        ("C must exceed", finite(chance), RED, "--"),
        ("champion", finite((baseline or {}).get("accuracy")), INK, "-."),
    ]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, (name, one) in enumerate(shown.items()):
            _interval_row(axes, row, one, _MEASUREMENT_COLOURS[name])
        for label, value, colour, style in lines:
            if value is not None:
                axes.axvline(value, color=colour, linestyle=style, linewidth=1.3, label=f"{label} {percent(value)}")
        axes.set(xlim=(-0.01, 1.01), ylim=(2.6, -0.6), yticks=range(3), yticklabels=list(shown))
        axes.tick_params(axis="y", labelsize=12, labelcolor=INK)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(axis="y", visible=False)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside lower left", ncols=2)

    said = [f"{n} {percent(one.get('value'))} ({interval(one.get('interval'), percent)})" for n, one in shown.items()]
    said += [f"{label} {percent(value)}" for label, value, *_ in lines if value is not None]
    return inline_svg("accuracy", "Accuracy with intervals: " + "; ".join(said), (4.6, 2.5), paint)


def _interval_row(axes: Axes, row: int, one: Mapping[str, Any], colour: str) -> None:
    value, bounds = finite(one.get("value")), one.get("interval") or {}
    low, high = finite(bounds.get("low")), finite(bounds.get("high"))
    if value is None:
        axes.text(0.5, row, "not available", ha="center", va="center", color=MUTED, fontstyle="italic")
        return
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=colour, linewidth=7, alpha=0.35, solid_capstyle="butt")
        axes.vlines([low, high], row - 0.16, row + 0.16, color=colour)
    axes.plot([value], [row], "o", color=colour, markersize=7)
    inside = value > 0.5
    edge = (low if inside else high) if low is not None and high is not None else value
    axes.text(
        (edge or 0) + (-0.02 if inside else 0.02), row, percent(value),
        ha="right" if inside else "left", va="center", fontweight="bold",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def curves_plot(phase: Mapping[str, Any], quantity: str, name: str) -> Markup | None:
    """Draws a phase's loss or accuracy by epoch, in both modes.

    Args:
        phase: One of the history's phases.
        quantity: `loss` or `accuracy`.
        name: Prefix of the picture's ids.
    """
    epochs = phase.get("epochs") or []
    series = {
        label: [math.nan if (value := finite(epoch.get(prefix + quantity))) is None else value for epoch in epochs]
        for prefix, label, *_ in _CURVES
    }
    if all(math.isnan(value) for values in series.values() for value in values):
        return None
    positions = [1 + (epoch.get("epoch", index) or 0) for index, epoch in enumerate(epochs)]
    best = phase.get("best_epoch")

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for _, label, colour, style, marker in _CURVES:
            shown = marker if len(epochs) <= _MAX_MARKED_EPOCHS else ""
            axes.plot(positions, series[label], color=colour, linestyle=style, marker=shown, label=label)
        if best is not None:
            axes.axvline(best + 1, color=MUTED, linestyle=":", linewidth=1.2, label="best epoch")
        axes.set(title=quantity.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if quantity == "accuracy":
            axes.set_ylim(-0.02, 1.02)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        figure.legend(loc="outside lower left", ncols=2)

    write = percent if quantity == "accuracy" else "{:.4g}".format
    last = [f"{label} {write(values[-1])}" for label, values in series.items() if finite(values[-1]) is not None]
    alt = f"{quantity.capitalize()} over {len(epochs)} epochs. Last epoch: {'; '.join(last) or 'nothing finite'}"
    return inline_svg(name, alt, (4.6, 3.0), paint)


def confusion_plot(matrix: Sequence[Sequence[int]] | None, classes: Sequence[Any], split: str) -> Markup | None:
    """Draws a confusion matrix, each row coloured by its shares; many classes are left unnamed.

    Args:
        matrix: Counts, rows true, columns predicted.
        classes: Labels in the matrix's order.
        split: Names the picture.
    """
    if not matrix:
        return None
    counts = np.asarray(matrix, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        # One blue whose strength is the share: an empty cell shows the page, on white and in the dark.
        pixels = np.zeros((*shares.shape, 4))
        pixels[..., :3] = (0.0, 0.447, 0.698)
        pixels[..., 3] = shares
        axes.imshow(pixels, interpolation="none", aspect="equal")
        axes.grid(visible=False)
        axes.set(xlabel="predicted", ylabel="true")
        axes.spines[["top", "right"]].set_visible(True)
        _name_classes(axes, classes)
        if len(counts) <= _MAX_ANNOTATED_CLASSES:
            _annotate(axes, counts, shares)

    total = counts.sum()
    alt = (
        f"Confusion matrix of the {split} split: {total:.0f} images, {len(counts)} classes, "
        f"{percent(counts.trace() / total if total else None)} on the diagonal"
    )
    return inline_svg(f"confusion-{split}", alt, (4.6, 4.4), paint)


def _name_classes(axes: Axes, classes: Sequence[Any]) -> None:
    if len(classes) > _MAX_NAMED_CLASSES:
        return
    names = [plain(label, 14) for label in classes]
    turned = 90 if max(map(len, names), default=0) > 3 else 0
    size = 9 if len(names) <= _MAX_ANNOTATED_CLASSES else 7
    axes.set_xticks(range(len(names)), names, rotation=turned, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)


def _annotate(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "#ffffff" if shares[row, column] > 0.5 else INK
        axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)


def reliability_plot(reliability: Mapping[str, Any]) -> Markup | None:
    """Draws accuracy against confidence by bin, with the number of images in each below."""
    bins = [
        one for one in reliability.get("eval") or []
        if one.get("count") and finite(one.get("confidence")) is not None and finite(one.get("accuracy")) is not None
    ]  # fmt: skip
    if not bins:
        return None

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="calibrated")
        confidences, accuracies = zip(*((one["confidence"], one["accuracy"]) for one in bins), strict=True)
        above.plot(confidences, accuracies, "o-", color=BLUE, label="model")
        above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy")
        above.legend(loc="upper left")
        for one in bins:
            below.bar(one["low"], one["count"], one["high"] - one["low"], align="edge", color=BLUE, alpha=0.5)
        below.set(xlabel="confidence of the predicted class", ylabel="images")
        for axis in (above.xaxis, above.yaxis):
            axis.set_major_formatter(PercentFormatter(1))

    said = "; ".join(f"{percent(one['confidence'])} sure, {percent(one['accuracy'])} right" for one in bins)
    return inline_svg("reliability", f"Reliability on the validation split: {said}", (4.6, 3.9), paint)
