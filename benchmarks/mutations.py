"""Does a test go red when a probe is broken?

    python benchmarks/mutations.py [NAME ...]

Runs the tests of the diagnosis and the doctor on a copy of the project, which must be green, then again with one probe
broken at a time, up to the first failure; a minute or two each on two cores. Writes `benchmarks/results/mutations.md`;
the exit code is 1 if a broken probe went unnoticed.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whole_run import RESULTS

ROOT = Path(__file__).parents[1]
TESTS = ("tests/diagnosis", *(f"tests/doctor/test_{name}.py" for name in ("examination", "callback", "source")))


@dataclass(frozen=True)
class Mutation:
    """A line of a probe, and what it is replaced by."""

    probe: str
    file: str
    line: str
    instead: str


MUTATIONS = (
    Mutation("head and loss", "head.py", "return [clause for is_so, clause in found if is_so]", "return []"),
    Mutation(
        "training mode",
        "forward.py",
        "answer = model(batch, training=training)",
        "answer = model(batch, training=False)",
    ),
    Mutation("forced batch statistics", "batch_norm.py", '{**kwargs, "training": True}', "{**kwargs}"),
    Mutation("re-estimated statistics", "batch_norm.py", "self.layer.moving_variance.assign(variance)", "pass"),
    Mutation("distance of means", "batch_norm.py", "np.abs(moving_mean - mean)", "0 * np.abs(moving_mean - mean)"),
    Mutation("distance of variances", "batch_norm.py", "np.abs(np.log(ratio))", "0 * np.abs(np.log(ratio))"),
    Mutation("updates against momentum", "batch_norm.py", "layer.momentum**num_updates for", "0.0 for"),
    Mutation(
        "best relabelling",
        "relabelling.py",
        "return linear_sum_assignment(table, maximize=True)[1]",
        "return np.arange(num_classes)",
    ),
    Mutation("class shares", "label_shift.py", ".sum() / 2)", ".sum() * 0)"),
    Mutation("top share", "label_shift.py", "chosen.max() / len(predicted)", "0.0"),
    Mutation(
        "input statistics", "input_statistics.py", "np.abs(means[1] - means[0])", "0 * np.abs(means[1] - means[0])"
    ),
    Mutation(
        "conversions between splits",
        "conversions.py",
        "return (*named, matched) if now > _APART else",
        "return () if now > _APART else",
    ),
    Mutation(
        "conversions of serving's pixels",
        "conversions.py",
        "for target in families if target != source)",
        "for target in ())",
    ),
    Mutation("answers one by one", "probes.py", "session.predict(inputs, batch_size=1)", "session.predict(inputs)"),
    Mutation(
        "frozen layers against their source", "source.py", "if not np.array_equal(value.numpy(), old)", "if False"
    ),
    Mutation("copies", "duplicates.py", "> _SAME)", "> 2)"),
    Mutation("domain", "domain.py", "auc = float(roc_auc_score(side, scores))", "auc = 0.5"),
    Mutation(
        "what the trainer saw",
        "symptoms.py",
        "best_training(measured), CONFIDENCE).low > CLAIM_GAP",
        "best_training(measured), CONFIDENCE).low > 2",
    ),
)


def main() -> None:
    """Breaks, tests and tabulates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.probe for one in MUTATIONS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    wanted = parser.parse_args().names or names
    if unknown := set(wanted) - set(names):
        parser.error(f"there is no probe {unknown.pop()!r}; choose from {', '.join(names)}")
    lines = ["# Mutation check of the probes", "", "| broken probe | first test that goes red |", "|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        unneeded = shutil.ignore_patterns(".git", ".venv", ".tools", ".mypy_cache", "frostgate-output")
        shutil.copytree(ROOT, copy, ignore=unneeded)
        if red := first_red(copy):
            raise SystemExit(f"{red} fails with nothing broken; mend it first.")
        unnoticed = 0
        for mutation in (one for one in MUTATIONS if one.probe in wanted):
            with broken(mutation, copy):
                red = first_red(copy)
            unnoticed += red is None
            lines.append(f"| {mutation.probe} | {red or '**none**'} |")
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join([*lines, ""])
    if wanted == names:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "mutations.md").write_text(text)
    print(text)
    raise SystemExit(1 if unnoticed else 0)


@contextlib.contextmanager
def broken(mutation: Mutation, copy: Path) -> Iterator[None]:
    """Breaks one probe in a copy of the project.

    Raises:
        ValueError: The probe has no such line any more.
    """
    file = copy / "components" / "diagnosis" / mutation.file
    sound = file.read_text()
    if sound.count(mutation.line) != 1:
        raise ValueError(f"{mutation.file} must have {mutation.line!r} once; mend the list of mutations.")
    file.write_text(sound.replace(mutation.line, mutation.instead))
    yield
    file.write_text(sound)


def first_red(copy: Path) -> str | None:
    """Returns the first test that fails in a copy of the project; None where none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(
        command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False
    )
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode and not failed:
        raise ValueError(f"the tests could not be run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return f"`{failed[0]}`" if failed else None


if __name__ == "__main__":
    main()
