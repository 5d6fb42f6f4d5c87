"""What a look at the log found, on one page for people."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from components.card.formats import plain
from components.card.svg import BLUE, ORANGE, inline_svg
from components.drift.samples import Samples

_OUTCOMES: Final = {
    "quiet": {"class": "pass", "mark": "✓", "title": "Requests look like what was learnt"},
    "drift": {"class": "block", "mark": "✕", "title": "Requests moved away from what was learnt"},
    "undecided": {"class": "hold", "mark": "!", "title": "It cannot be told"},
}
_NUM_BINS: Final = 20
_MAX_NAMES: Final = 20


def page(document: Mapping[str, Any], reference: Samples, serving: Samples) -> str:
    """Writes the page.

    Args:
        document: `drift.json`.
        reference: What was learnt.
        serving: What was asked.

    Returns:
        HTML without scripts or network requests, encodable as UTF-8.
    """
    drifted = set(document["drifted"])
    # What moved comes first, the farthest at its head.
    rows = sorted(document["comparisons"], key=lambda one: -(one["distance"] or 0) / (one["threshold"] or 1))
    plots = [_plot(one["feature"], one["feature"] in drifted, reference, serving) for one in rows]
    text = _template().render(
        outcome=_OUTCOMES[document["status"]],
        report=document,
        rows=rows,
        drifted=drifted,
        plots=[one for one in plots if one],
        level=document["settings"]["significance"] / max(len(rows), 1),
    )
    return text.encode("utf-8", "replace").decode("utf-8")


def _plot(name: str, moved: bool, reference: Samples, serving: Samples) -> Markup | None:
    is_names = name in reference.names
    first, second = ((one.names if is_names else one.numbers)[name] for one in (reference, serving))
    if not first or not second:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        (_bars if is_names else _histograms)(axes, first, second)
        axes.set(title=f"{name} moved" if moved else name)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        figure.legend(loc="outside lower left", ncols=2)

    alt = f"{name}: {len(first)} reference values and {len(second)} requests{', moved' if moved else ''}"
    return inline_svg(name.replace("_", "-"), alt, (3.6, 2.3), paint)


def _histograms(axes: Axes, first: list[Any], second: list[Any]) -> None:
    low, high = min(*first, *second), max(*first, *second)
    edges = np.linspace(low, high if high > low else low + 1, _NUM_BINS + 1)
    for values, colour, label in ((first, BLUE, "reference"), (second, ORANGE, "requests")):
        shares = np.histogram(values, edges)[0] / len(values)
        axes.stairs(shares, edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(shares, edges, color=colour, label=label)


def _bars(axes: Axes, first: list[Any], second: list[Any]) -> None:
    names = sorted(name for name, _ in Counter(first + second).most_common(_MAX_NAMES))
    places = np.arange(len(names))
    for values, colour, label, side in ((first, BLUE, "reference", -0.2), (second, ORANGE, "requests", 0.2)):
        counts = Counter(values)
        shares = [counts[name] / len(values) for name in names]
        axes.bar(places + side, shares, 0.4, color=colour, label=label)
    axes.set_xticks(places, [plain(name, 12) for name in names], rotation=45 if len(names) > 5 else 0)


@lru_cache(maxsize=1)
def _template() -> Template:
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader([here, here.parent / "card"]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("drift.html.jinja")
