"""The entry point of `frostgate`."""

import gc
import os
import sys
import traceback
from importlib.metadata import version

import typer

from components.credentials import conceal_environment
from components.errors import DataRefused, place_of, safe
from components.garbage import collect_seldom
from components.kserve.errors import ClusterUnavailable
from components.registry.protocol import ChampionMoved, RegistryUnavailable
from pipeline.cli import (
    approve,
    cases,
    compile,
    config,
    doctor,
    monitor,
    predict,
    prune,
    registry,
    report,
    run,
    runs,
    schedule,
    submit,
    validate,
)
from pipeline.runners.console import print_threads_errors_safely
from pipeline.runners.errors import AnotherRun, StoreUnusable

app = typer.Typer(
    name="frostgate",
    help="Trains image classifiers on TFX, and never ships a collapsed one.",
    epilog="Start with: frostgate run   (trains on embedded handwritten digits). "
    "Your own images: frostgate run --set data.uri=FOLDER --set name=NAME, a folder with a sub-folder for each class.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=run.EPILOG)(run.run_command)
app.command("validate")(validate.validate_command)
app.command("report")(report.report_command)
app.command("runs")(runs.runs_command)
app.command("monitor", epilog=monitor.EPILOG)(monitor.monitor_command)
app.command("predict", epilog=predict.EPILOG)(predict.predict_command)
app.add_typer(registry.app, name="registry")
app.command("approve", epilog=approve.EPILOG)(approve.approve_command)
app.command("prune", epilog=prune.EPILOG)(prune.prune_command)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor_command)
app.command("cases", epilog=cases.EPILOG)(cases.cases_command)
app.command("compile", epilog=compile.EPILOG)(compile.compile_command)
app.command("submit", epilog=submit.EPILOG)(submit.submit_command)
app.add_typer(schedule.app, name="schedule")
app.add_typer(config.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"frostgate {version('frostgate')}")
        raise typer.Exit


@app.callback()
def _frostgate(
    wanted: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Runs a command; what the user did wrong is a sentence and exit code 2, never a traceback."""
    # TFX's steps are TensorFlow's, whatever this person's Keras computes with otherwise.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    collect_seldom()
    conceal_environment()
    print_threads_errors_safely()
    try:
        app(standalone_mode=True)
    except DataRefused as error:
        for line in safe(str(error)).splitlines():
            print(f"frostgate: {line}", file=sys.stderr)
        raise SystemExit(2) from None
    except (AnotherRun, ChampionMoved, ClusterUnavailable, RegistryUnavailable, StoreUnusable) as error:
        print(f"frostgate: {safe(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        # Nobody listens any more, as in `| head`; what the interpreter flushes at its end goes nowhere either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        said = f"{place_of(error) or 'a file'}: {error.strerror or error}."
        print(f"frostgate: {safe(said)}", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception:
        # Here and not in a hook, for Typer puts its own in place.
        print(safe(traceback.format_exc()), end="", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        # The interpreter goes through every object once more before it ends; with TensorFlow's that takes a second.
        gc.freeze()


if __name__ == "__main__":
    main()
