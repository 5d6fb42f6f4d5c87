"""`frostgate cases`: the stories that the gate was built for, run here."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json

if TYPE_CHECKING:
    from pipeline.cases import Finished

EPILOG = (
    "Each case is run as its author built it, which the gate must refuse for the right cause, and as it should have "
    "been, which must be pushed, or held where there are too few pictures. The first run pretrains a backbone. All of "
    "them take about an hour on two cores; what was run before comes from the cache. Exit codes: 0 every case ended as "
    "it must, 1 one did not. Examples: frostgate cases --list; frostgate cases frozen-batch-stats."
)


def cases_command(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which cases; all if none is given.")] = None,
    as_json: Json = False,
    output: Annotated[str, typer.Option(help="Folder that receives everything.")] = "frostgate-output/cases",
    listed: Annotated[bool, typer.Option("--list", help="List the cases; run nothing.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="CIFAR-10, a folder of its class folders or a tar archive of one, in place of drawn pictures.",
        ),
    ] = None,
) -> None:
    """Reproduce the known collapses, and show that each is refused, explained and mended."""
    from pipeline.cases import chosen, drawn, run_variant

    cases = chosen(ids or (), of_cifar10=data is not None)
    if listed:
        for case in cases:
            print(f"{case.id}: {case.story}")
            for variant in case.variants:
                print(f"  {variant.name}: {variant.what}")
        return
    pictures = None
    if data:
        print(f"drawing pictures from {data}", file=sys.stderr, flush=True)
        pictures = drawn(data, output)
    done: list[Finished] = []
    runs = [(case, variant) for case in cases for variant in case.variants]
    for position, (case, variant) in enumerate(runs, 1):
        print(f"({position} of {len(runs)}) {case.id} {variant.name}: {variant.what}", file=sys.stderr, flush=True)
        done.append(run_variant(case, variant, output, pictures))
        summary = done[-1].summary
        print(f"{summary.status.upper()}  {summary.message}", file=sys.stderr, flush=True)
        if summary.card:
            print(f"card: {summary.card}", file=sys.stderr, flush=True)
        if summary.status == "interrupted":
            raise typer.Exit(summary.exit_code)
    if as_json:
        print(json.dumps([_document(one) for one in done], indent=2))
    else:
        _print_table(done)
    raise typer.Exit(0 if all(one.as_expected for one in done) else 1)


def _document(one: "Finished") -> dict[str, Any]:
    return {
        "case": one.case,
        "variant": one.variant.name,
        "what": one.variant.what,
        "as_expected": one.as_expected,
        "decision": one.decision,
        "codes": (one.summary.verdict or {}).get("codes", []),
        "causes": list(one.causes),
        "measurements": (one.summary.verdict or {}).get("measurements"),
        "served_version": one.summary.served_version,
        "message": one.summary.message,
        "card": one.summary.card,
        "seconds": one.summary.seconds,
    }


def _print_table(done: "Sequence[Finished]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("case", "variant", "trainer saw", "A", "B", "C", "verdict", "cause", "version", "as it must"):
        table.add_column(heading, no_wrap=True)
    for one in done:
        table.add_row(*_row(one))
    # A line is a run, in a pipe too, where the width would be guessed.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    right = sum(one.as_expected for one in done)
    print(f"{right} of {len(done)} runs ended as they must.")


def _row(one: "Finished") -> Iterator[str]:
    verdict = one.summary.verdict or {}
    measured = verdict.get("measurements") or {}
    yield from (one.case, one.variant.name)
    yield from (_accuracy(measured.get(name)) for name in ("claimed", "A", "B", "C"))
    codes = [code for code in verdict.get("codes", []) if code != one.decision]
    yield " ".join([one.decision or one.summary.status, *codes])
    yield one.causes[0] if one.causes else ""
    yield one.summary.served_version or ""
    yield "yes" if one.as_expected else "NO"


def _accuracy(counts: dict[str, Any] | None) -> str:
    return f"{counts['value']:.3f}" if counts else ""
