"""The plots behind a diagnosis; each is None where its probe did not run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from components.card.formats import finite, number, percent, plain
from components.card.svg import BLUE, GREEN, MUTED, ORANGE, inline_svg

_CHANNELS = ("first", "second", "third")


def layers_plot(layers: Sequence[Mapping[str, Any]] | None) -> Markup | None:
    """Draws how far every BatchNorm layer's moving statistics are from those of the data, from input to output.

    Args:
        layers: `measurements.layers` of the diagnosis.
    """
    if not layers:
        return None
    means, variances = (
        [finite(layer.get(key)) or 0.0 for layer in layers] for key in ("mean_distance", "log_variance_ratio")
    )
    rows = np.arange(1, len(layers) + 1)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for offset, values, colour, label in (
            (-0.2, means, BLUE, "means, in standard deviations"),
            (0.2, variances, ORANGE, "log variances"),
        ):
            axes.bar(rows + offset, values, 0.4, color=colour, label=label)
        axes.set(xlabel="BatchNorm layer, from input to output", ylabel="distance")
        axes.grid(axis="x", visible=False)
        figure.legend(loc="outside lower left", ncols=2)

    furthest = max(layers, key=lambda one: finite(one.get("mean_distance")) or 0.0)
    alt = (
        f"Distance of moving statistics from those of the data in {len(layers)} BatchNorm layers; the means are "
        f"furthest in {plain(furthest.get('name'))}, {number(furthest.get('mean_distance'))} standard deviations"
    )
    return inline_svg("layers", alt, (4.6, 2.6), paint)


def undone_plot(measurements: Mapping[str, Any]) -> Markup | None:
    """Draws the accuracies that were measured beside those after a possible cause was undone.

    Args:
        measurements: `measurements` of the diagnosis.
    """
    shares = {label: share for label, counts in _accuracies(measurements) if (share := _share(counts)) is not None}
    if not shares:
        return None
    colours = [_colour(label) for label in shares]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.barh(list(shares), list(shares.values()), color=colours, height=0.65)
        for row, share in enumerate(shares.values()):
            axes.text(share + 0.01, row, percent(share), va="center")
        axes.set(xlim=(0, 1.15))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_formatter(PercentFormatter(1))

    said = "; ".join(f"{label} {percent(share)}" for label, share in shares.items())
    return inline_svg(
        "undone", f"Accuracies as found and after undoing: {said}", (4.6, 0.7 + 0.26 * len(shares)), paint
    )


def channels_plot(shift: Mapping[str, Any] | None) -> Markup | None:
    """Draws each channel's mean and deviation in both splits.

    Args:
        shift: `measurements.input_shift` of the diagnosis.
    """
    if not shift:
        return None
    names = [_CHANNELS[index] if index < 3 else str(index + 1) for index in range(len(shift["train"]["mean"]))]
    rows = np.arange(len(names))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for offset, split, colour in ((-0.12, "train", BLUE), (0.12, "validation", GREEN)):
            mean, deviation = (np.array(shift[split][key], dtype=float) for key in ("mean", "deviation"))
            axes.errorbar(rows + offset, mean, deviation, fmt="o", color=colour, capsize=3, label=split)
        axes.set(xticks=rows, xticklabels=names, xlabel="channel", ylabel="mean and deviation")
        figure.legend(loc="outside lower left", ncols=2)

    alt = (
        f"Inputs by channel; the splits' means are {number(shift['standardised_difference'])} standard deviations apart"
    )
    return inline_svg("channels", alt, (4.6, 2.6), paint)


def _accuracies(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    modes, again = found.get("modes") or {}, found.get("reestimated_train") or {}
    unseen, alone = found.get("reestimated_validation") or {}, (found.get("alone") or {}).get("right") or {}
    best, other = _best(found.get("converted")), _best(found.get("reconverted"))
    return [
        ("training: seen by the trainer", found.get("claimed")),
        ("training: training mode", _right(modes, "first")),
        ("training: inference mode", found.get("train")),
        ("validation", found.get("validation")),
        ("training: BatchNorm re-estimated", _right(again, "first")),
        ("validation: BatchNorm re-estimated", _right(unseen, "first")),
        ("validation: batch statistics", found.get("forced_validation")),
        ("validation, some: one by one", _right(alone, "second")),
        ("validation: best relabelling", (found.get("relabelling") or {}).get("counts")),
        ("validation: without copies", found.get("without_duplicates")),
        (f"validation: {plain(best.get('name'), 40)}", best.get("counts")),
        (f"training: {plain(other.get('name'), 40)}", other.get("counts")),
    ]


def _best(converted: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return max(converted or (), key=lambda one: _share(one.get("counts")) or 0.0, default={})


def _right(pairs: Mapping[str, int], which: str) -> Mapping[str, int] | None:
    """How many the `first` or the `second` of two classifications got right."""
    return {"correct": pairs["both"] + pairs[f"only_{which}"], "total": sum(pairs.values())} if pairs else None


def _share(counts: Mapping[str, int] | None) -> float | None:
    return counts["correct"] / counts["total"] if counts and counts.get("total") else None


def _colour(label: str) -> str:
    if label == "training: seen by the trainer":
        return MUTED
    return {"training": BLUE, "validation": GREEN}[label.split(":")[0].split(",")[0]]
