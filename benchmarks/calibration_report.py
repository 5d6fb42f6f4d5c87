"""What the records of a calibration run say, as markdown."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from components.intervals import Counts, wilson

Record = Mapping[str, Any]
Rule = Callable[[Record], bool]

# One-sided, so that both ends together are a 95 % interval.
_CONFIDENCE: Final = 0.975
_NO_CAUSE: Final = "no cause"
_WORDS: Final = {
    "digits": "scikit-learn's 1,797 digits, of which the backbones learnt 0 to 4 and their orientations, their heads 5 "
    "to 9, and the convnets all ten",
    "cifar10": "20,000 pictures of CIFAR-10 at 16 x 16",
    "photographs": "750 photographs of three kinds of food at 64 x 64, by heads on a net that learnt CIFAR-10",
}


def write(records: Sequence[Record]) -> str:
    """Writes the report of all records, duds left out of every rate."""
    healthy = [record for record in records if record["defect"] == "healthy"]
    broken = [record for record in records if record["defect"] != "healthy" and not record["dud"]]
    parts = (
        _introduction(records),
        _healthy(healthy),
        *(_defects(source, members) for source, members in _by_source(records)),
        _confusion(healthy, broken),
        _rules(healthy, broken),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _introduction(records: Sequence[Record]) -> list[str]:
    minutes = sum(sum(record["seconds"]) for record in records) / 60
    lines = [
        "# Calibration of the doctor",
        "",
        f"{len(records)} classifiers, each trained from a seed of its own (split, weights, sizes) and examined by "
        f"`frostgate.diagnose`. {minutes:.0f} minutes on one core.",
        "",
    ]
    for source, members in _by_source(records):
        counts = Counter(record["architecture"] for record in members)
        architectures = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        lines.append(f"- {len(members)} of {_WORDS[source]}: {architectures}.")
    return [
        *lines,
        "",
        "Shares come with Wilson's 95 % interval. A dud is a case whose defect did no harm: best training accuracy is "
        "less than 10 points above that on validation examples that are no copies, and the mean recall of the classes "
        "is more than halfway from chance to 1; for the two of BatchNorm, training mode is less than 10 points above "
        "inference mode. Duds are counted here and are in no other figure. Seeds share their source's pictures, so "
        "that the intervals are about other seeds, not about other data.",
    ]


def _by_source(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    found = {source: [one for one in records if one["pictures"] == source] for source in _WORDS}
    return [(source, members) for source, members in found.items() if members]


def _healthy(records: Sequence[Record]) -> list[str]:
    groups: list[tuple[str, list[Record]]] = [("all", list(records))]
    for key, title in (("pictures", "{}"), ("n", "n = {}"), ("architecture", "{}"), ("variant", "{}")):
        values = sorted({record[key] for record in records})
        groups += [(title.format(value), [one for one in records if one[key] == value]) for value in values]
    return [
        "## Healthy models",
        "",
        "| | models | B | C | B - C | block | hold | pass |",
        "|---|---|---|---|---|---|---|---|",
        *(_healthy_row(title, members) for title, members in groups),
    ]


def _healthy_row(title: str, records: Sequence[Record]) -> str:
    means = [_mean(record["B"] for record in records), _mean(record["C"] for record in records)]
    numbers = " | ".join(f"{value:.3f}" for value in (*means, means[0] - means[1]))
    return f"| {title} | {len(records)} | {numbers} | {_outcomes(records)} |"


def _defects(source: str, records: Sequence[Record]) -> list[str]:
    broken = [record for record in records if record["defect"] != "healthy"]
    groups = [(defect, [one for one in broken if one["defect"] == defect]) for defect in _in_order(broken)]
    rows = []
    for title, cases in (*groups, ("all", broken)):
        real = [record for record in cases if not record["dud"]]
        anywhere = _share(real, lambda record: record["defect"] in record["causes"])
        rows.append(
            f"| {title} | {len(real)} | {len(cases) - len(real)} | {_outcomes(real)} | {_share(real, _is_first)} "
            f"| {anywhere} |"
        )
    return [
        f"## Defects: {source}",
        "",
        "| defect | cases | duds | block | hold | pass | true cause named first | at all |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]


def _confusion(healthy: Sequence[Record], broken: Sequence[Record]) -> list[str]:
    records = [*healthy, *broken]
    defects = _in_order(broken)
    others = sorted({_first(record) for record in records} - {*defects, _NO_CAUSE})
    columns = [*defects, *others, _NO_CAUSE]
    lines = ["## True cause (rows) and cause named first (columns)", ""]
    lines += [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for defect in ("healthy", *defects):
        counts = Counter(_first(record) for record in records if record["defect"] == defect)
        lines.append(f"| {defect} | {' | '.join(str(counts[column] or '') for column in columns)} |")
    return lines


def _rules(healthy: Sequence[Record], broken: Sequence[Record]) -> list[str]:
    rows = []
    for title, cases in (
        ("healthy", healthy),
        *((f"healthy, {source}", members) for source, members in _by_source(healthy)),
        *((defect, [one for one in broken if one["defect"] == defect]) for defect in _in_order(broken)),
    ):
        shares = " | ".join(_share(cases, rule) for rule in RULES.values())
        rows.append(f"| {title} | {len(cases)} | {shares} |")
    return [
        "## Refused, by this rule and by naive ones",
        "",
        "On the same models. The last column refuses when any class' recall is more than 10 % lower on validation than "
        "on training examples, as Deepchecks does by default.",
        "",
        f"| | cases | {' | '.join(RULES)} |",
        f"|---|---|{'---|' * len(RULES)}",
        *rows,
    ]


def _degrades(record: Record) -> bool:
    ours, theirs = record["recalls"]["train"], record["recalls"]["validation"]
    recalls = [(a / b, c / d) for (a, b), (c, d) in zip(ours, theirs, strict=False) if a and d]
    return any(1 - unseen / seen > 0.10 for seen, unseen in recalls)


RULES: Final[dict[str, Rule]] = {
    "frostgate blocks": lambda record: record["outcome"] == "BLOCK",
    "frostgate blocks or holds": lambda record: record["outcome"] != "PASS",
    "B - C > 0.10": lambda record: record["B"] - record["C"] > 0.10,
    "C / B < 0.9": lambda record: record["C"] < 0.9 * record["B"],
    "a class' recall falls by 10 %": _degrades,
}


def _outcomes(records: Sequence[Record]) -> str:
    def share(outcome: str) -> str:
        return _share(records, lambda record: record["outcome"] == outcome)

    return " | ".join(share(outcome) for outcome in ("BLOCK", "HOLD", "PASS"))


def _share(records: Sequence[Record], rule: Rule) -> str:
    if not records:
        return ""
    counts = Counts(sum(map(rule, records)), len(records))
    interval = wilson(counts, _CONFIDENCE)
    return f"{100 * counts.value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _first(record: Record) -> str:
    return record["causes"][0] if record["causes"] else _NO_CAUSE


def _is_first(record: Record) -> bool:
    return bool(_first(record) == record["defect"])


def _in_order(records: Iterable[Record]) -> list[str]:
    """The defects in the order of their first case, without the healthy."""
    return [defect for defect in dict.fromkeys(record["defect"] for record in records) if defect != "healthy"]


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else float("nan")
