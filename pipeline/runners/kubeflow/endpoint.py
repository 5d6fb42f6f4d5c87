"""A Kubeflow Pipelines server: uploading, running and scheduling through the official client."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import kfp
import kfp_server_api
import urllib3

from components.errors import DataRefused, conceal
from components.foreign import json_text
from pipeline.runners.kubeflow.branching import AGAIN, UNCHANGED
from pipeline.runners.kubeflow.looks import TRAIN
from pipeline.runners.kubeflow.package import Package
from pipeline.runners.kubeflow.pipelines import TRAITS
from pipeline.runners.kubeflow.workflow import by_step, states_of
from pipeline.runners.results import LookStatus, RunStatus

_TIMEOUT_SECONDS: Final = 30
_WAIT_BETWEEN_TRIES: Final = (1.0, 3.0)
_ENDED: Final = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
# One of these steps runs where a run came to a decision, and says to which: name -> status, and where to look next.
_MARKS: Final = {name: (status, one.page) for one in TRAITS.values() for status, name in one.steps.items()}
_PAGE: Final = 100
_RUN_WITH_WORKFLOW: Final = "/apis/v1beta1/runs/{run_id}"
# As the client of Kubeflow Pipelines finds a token in a pod.
_TOKEN_FILE: Final = "KF_PIPELINES_SA_TOKEN_PATH"
_USUAL_TOKEN_FILE: Final = "/var/run/secrets/kubeflow/pipelines/token"
_Answer = TypeVar("_Answer")


class EndpointUnavailable(OSError):
    """The server did not answer, or not with an answer; the same command may work later."""


@dataclass(frozen=True)
class RunPlan:
    """What a run or a schedule is made with."""

    experiment: str
    name: str
    parameters: dict[str, Any]
    pipeline_root: str | None
    service_account: str | None


@dataclass(frozen=True)
class Step:
    """One step of a run that is going on."""

    name: str
    state: str


@dataclass(frozen=True)
class Ended:
    """How a run on the cluster ended."""

    status: RunStatus | LookStatus
    message: str
    steps: tuple[Step, ...]


class Endpoint:
    """One server, as one user, in one namespace."""

    def __init__(self, host: str | None, namespace: str | None, token: str | None) -> None:
        """Connects.

        Args:
            host: The address; None: KF_PIPELINES_ENDPOINT, then the cluster that this runs in, then the kube context.
            namespace: In a multi-user installation; None in a single-user one.
            token: A bearer token; None: as the Kubeflow Pipelines client finds credentials itself.

        Raises:
            DataRefused: The server refuses.
            EndpointUnavailable: There is no server.
        """
        self._namespace = namespace
        conceal([token or ""])
        with self._told("connecting"):
            self._client = _Client(host=host, namespace=namespace or "kubeflow", existing_token=token)
        self.host = self._client._run_api.api_client.configuration.host
        # Also where the client remembers a namespace and asked nothing yet.
        self._read(self._client.get_kfp_healthz)

    def upload(self, package: Package) -> tuple[str, str]:
        """Makes sure that the server has a package; uploads it only where it has not.

        Returns:
            Ids of the pipeline and of the version.
        """
        pipeline_id = self._read(lambda: self._client.get_pipeline_id(package.pipeline))
        if pipeline_id is None:
            pipeline_id = self._created_pipeline(package.pipeline)
        found = self._version(pipeline_id, package.version)
        if found is None:
            with self._told("uploading the pipeline", conflict_is_fine=True):
                self._client.upload_pipeline_version(str(package.path), package.version, pipeline_id=pipeline_id)
            # Also where somebody else was faster.
            found = self._version(pipeline_id, package.version)
        if found is None:
            raise EndpointUnavailable(None, f"the version {package.version} was uploaded and is not there", self.host)
        return pipeline_id, found

    def start(self, package: Package, plan: RunPlan) -> str:
        """Starts a run and returns its id."""
        version = self.upload(package)
        return self.start_version(*version, replace(plan, experiment=self.experiment(plan.experiment)))

    def start_version(self, pipeline_id: str, version_id: str, plan: RunPlan) -> str:
        """Starts a run of a version that the server has, in the experiment of this id, and returns the run's id."""
        with self._told("starting the run"):
            run = self._client.run_pipeline(
                plan.experiment,
                plan.name,
                pipeline_id=pipeline_id,
                version_id=version_id,
                params=plan.parameters,
                pipeline_root=plan.pipeline_root,
                service_account=plan.service_account,
            )
        return str(run.run_id)

    def newest_version(self, pipeline: str) -> tuple[str, str] | None:
        """Returns the ids of a pipeline and of its version that was uploaded last; None where there is none."""
        pipeline_id = self._read(lambda: self._client.get_pipeline_id(pipeline))
        if pipeline_id is None:
            return None
        found = self._read(lambda: self._client.list_pipeline_versions(pipeline_id, sort_by="created_at desc"))
        ids = [one.pipeline_version_id for one in found.pipeline_versions or ()]
        return (str(pipeline_id), str(ids[0])) if ids else None

    def run(self, run_id: str) -> Any:
        """One run as the server knows it."""
        return self._read(lambda: self._client.get_run(run_id))

    def runs(self, experiment_id: str, named: str) -> list[Any]:
        """Every run of an experiment whose name has this text in it."""
        predicate = {"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": named}
        condition = json.dumps({"predicates": [predicate]})

        def page(token: str) -> Any:
            return self._client.list_runs(token, _PAGE, experiment_id=experiment_id, filter=condition)

        return self._every(page, "runs")

    def goes_on(self, run: Any) -> bool:
        """Whether a run is not over."""
        return run.state not in _ENDED

    def experiment(self, name: str) -> str:
        """Returns an experiment's id; it is made where there is none."""
        with self._told("finding the experiment"):
            return str(self._client.create_experiment(name, namespace=self._namespace).experiment_id)

    def link(self, run_id: str) -> str:
        """Where the run is seen in a browser."""
        return f"{self.host}/#/runs/details/{run_id}"

    def wait(
        self,
        run_id: str,
        names: Collection[str],
        timeout_seconds: float,
        every_seconds: float,
        report: Callable[[Step], None],
    ) -> Ended:
        """Waits for a run and says how it came out.

        Args:
            run_id: The run.
            names: The steps of its pipeline.
            timeout_seconds: Longest wait; the run goes on all the same.
            every_seconds: Between two questions.
            report: Is told of every change of a step.

        Raises:
            EndpointUnavailable: Time is up, or the server stopped answering.
        """
        until, known = time.monotonic() + timeout_seconds, dict[str, str]()

        def tell(found: dict[str, str]) -> None:
            for name, state in found.items():
                if known.get(name) != state:
                    known[name] = state
                    report(Step(name, state))

        while True:
            run = self.run(run_id)
            tell(_states(run, names))
            if run.state in _ENDED:
                if not _is_told(run, known):
                    tell(self._states_in_workflow(run_id, names))
                return _ended(run, tuple(Step(name, state) for name, state in known.items()))
            if time.monotonic() > until:
                raise EndpointUnavailable(
                    None, f"the run {run_id} is still {run.state} after {timeout_seconds:.0f} s; it goes on", self.host
                )
            time.sleep(every_seconds)

    def has_decided(self, run_id: str) -> bool:
        """Whether a run that is not over yet shows its decision, and nothing that comes after it went wrong.

        Raises:
            DataRefused, EndpointUnavailable: The server does not say.
        """
        names = (*_MARKS, UNCHANGED, TRAIN)
        found = _states(self.run(run_id), names)
        # The older interface may be in trouble where the list says enough.
        with contextlib.suppress(EndpointUnavailable):
            found |= self._states_in_workflow(run_id, names)
        after = found.pop(TRAIN, None)
        return "SUCCEEDED" in found.values() and after in (None, "SUCCEEDED", "SKIPPED", "OMITTED")

    def _states_in_workflow(self, run_id: str, names: Collection[str]) -> dict[str, str]:
        """Step -> state by the run's workflow, which only the older interface shows; empty where it shows none."""
        client = self._client._run_api.api_client

        def ask() -> Any:
            place, auth = {"run_id": run_id}, ["Bearer"]
            return client.call_api(
                _RUN_WITH_WORKFLOW,
                "GET",
                place,
                response_type="object",
                auth_settings=auth,
                _return_http_data_only=True,
            )

        try:
            return states_of((self._read(ask).get("pipeline_runtime") or {}).get("workflow_manifest") or "", names)
        except (DataRefused, ValueError):
            return {}

    def schedules(self) -> list[Any]:
        """Every recurring run."""

        def page(token: str) -> Any:
            return self._client.list_recurring_runs(page_token=token, page_size=_PAGE, namespace=self._namespace)

        return self._every(page, "recurring_runs")

    def _every(self, page_at: Callable[[str], Any], key: str) -> list[Any]:
        found: list[Any] = []
        token = ""
        while True:
            page = self._read(partial(page_at, token))
            found += getattr(page, key) or []
            token = page.next_page_token
            if not token:
                return found

    def create_schedule(self, package: Package, plan: RunPlan, cron: str) -> str:
        """Makes a recurring run: one at a time, missed times are not caught up."""
        pipeline_id, version_id = self.upload(package)
        with self._told("making the schedule"):
            made = self._client.create_recurring_run(
                self.experiment(plan.experiment),
                plan.name,
                cron_expression=cron,
                max_concurrency=1,
                no_catchup=True,
                params=plan.parameters,
                pipeline_id=pipeline_id,
                version_id=version_id,
                pipeline_root=plan.pipeline_root,
                service_account=plan.service_account,
            )
        return str(made.recurring_run_id)

    def pause(self, schedule_id: str) -> None:
        """Stops a recurring run from starting further runs."""
        with self._told("pausing the schedule"):
            self._client.disable_recurring_run(schedule_id)

    def resume(self, schedule_id: str) -> None:
        """Lets a recurring run start runs again."""
        with self._told("resuming the schedule"):
            self._client.enable_recurring_run(schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Removes a recurring run; one that is gone already is no error."""
        with self._told("deleting the schedule", missing_is_fine=True):
            self._client.delete_recurring_run(schedule_id)

    def _created_pipeline(self, name: str) -> str:
        with self._told("making the pipeline", conflict_is_fine=True):
            body = kfp_server_api.V2beta1Pipeline(display_name=name, namespace=self._namespace)
            return str(self._client._pipelines_api.pipeline_service_create_pipeline(body=body).pipeline_id)
        return str(self._read(lambda: self._client.get_pipeline_id(name)))

    def _version(self, pipeline_id: str, name: str) -> str | None:
        predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
        found = self._read(
            lambda: self._client.list_pipeline_versions(pipeline_id, filter=json.dumps({"predicates": [predicate]}))
        )
        # An older server ignores the filter.
        ids = [one.pipeline_version_id for one in found.pipeline_versions or () if one.display_name == name]
        return str(ids[0]) if ids else None

    def _read(self, ask: Callable[[], _Answer]) -> _Answer:
        """Asks what may be asked twice, and does so when the server stumbles."""
        for pause in _WAIT_BETWEEN_TRIES:
            try:
                with self._told("asking"):
                    return ask()
            except EndpointUnavailable:
                time.sleep(pause)
        with self._told("asking"):
            return ask()

    @contextlib.contextmanager
    def _told(self, doing: str, conflict_is_fine: bool = False, missing_is_fine: bool = False) -> Iterator[None]:
        """Words the server's refusals; the client's own prints are not ours."""
        host = getattr(self, "host", None) or "the Kubeflow Pipelines server"
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except kfp_server_api.ApiException as error:
            if (error.status == 409 and conflict_is_fine) or (error.status == 404 and missing_is_fine):
                return
            said = _said(error)
            if error.status in _REFUSALS:
                raise DataRefused(f"{host} refused {doing} ({error.status}{said}). {_REFUSALS[error.status]}") from None
            raise EndpointUnavailable(None, f"{doing} failed with {error.status}{said}; try again", host) from None
        except (urllib3.exceptions.HTTPError, ConnectionError) as error:
            raise EndpointUnavailable(
                None, f"{doing}: no answer ({_reason(error)}); check --endpoint, or try again", host
            ) from None


def from_a_pod(host: str) -> Endpoint:
    """Connects as a step does, with the pod's token in an installation with several users.

    Raises:
        DataRefused: A token is named and cannot be read, or the server refuses.
        EndpointUnavailable: There is no server.
    """
    return Endpoint(host, None, _pods_token())


def _pods_token() -> str | None:
    """None where nobody gave the pod one."""
    named = os.environ.get(_TOKEN_FILE)
    path = Path(named or _USUAL_TOKEN_FILE)
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if named is None:
            return None
        raise DataRefused(f"{_TOKEN_FILE} must name a file with a token; {named} cannot be read ({error}).") from None


class _Client(kfp.Client):
    """The official client, which asks for the server's health five times, prints why, and waits without end."""

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        """Asks once; every later request of this client has a limit, too."""
        rest = self._healthz_api.api_client.rest_client
        if not hasattr(rest, "limited"):
            rest.request, rest.limited = _in_time(rest.request), True
        return self._healthz_api.healthz_service_get_healthz()


def _in_time(request: Callable[..., Any]) -> Callable[..., Any]:
    """Gives every request a limit, which the client's methods do not take, and wants data for an answer."""

    def limited(*args: Any, **kwargs: Any) -> Any:
        answer = request(*args, **kwargs | {"_request_timeout": (_TIMEOUT_SECONDS, _TIMEOUT_SECONDS)})
        kind = answer.getheader("Content-Type") or ""
        if not kind.startswith("application/json"):
            raise DataRefused(
                f"The endpoint must answer with JSON; it answered with {kind or 'nothing'}. That is usually a login "
                "page, or another server: log in or give --token-file, and check --endpoint."
            )
        return answer

    return limited


def _reason(error: Exception) -> str:
    found = getattr(error, "reason", None) or error
    return str(found).rpartition(": ")[2].strip("'\") ") or type(found).__name__


_REFUSALS: Final = {
    400: "Compile again with this version of frostgate, and check the parameters.",
    401: "Log in first, or give a token with --token-file.",
    403: "Your account needs the right to do that: check --namespace, and the role in kubeflow/manifests.",
    404: "Check the endpoint's path, the namespace and the name.",
    409: "Something else of that name is there; choose another name.",
}


def _said(error: kfp_server_api.ApiException) -> str:
    try:
        told = json_text.parse(error.body)
    except (TypeError, ValueError):
        return ""
    text = told.get("error_message") or told.get("message") or told.get("error") or ""
    return f": {str(text).splitlines()[0]}" if text else ""


def _states(run: Any, names: Collection[str]) -> dict[str, str]:
    """Step -> state by the run's task list."""
    details = (run.run_details and run.run_details.task_details) or ()
    return by_step([(one.display_name, one.state) for one in details], names)


def _is_told(run: Any, known: dict[str, str]) -> bool:
    """Whether the task list has what says how the run came out."""
    if run.state == "SUCCEEDED":
        return any(known.get(name) == "SUCCEEDED" for name in (*_MARKS, UNCHANGED))
    return run.state != "FAILED" or any(state == "FAILED" for name, state in known.items() if name not in TRAITS)


def _ended(run: Any, steps: Sequence[Step]) -> Ended:
    if run.state == "CANCELED":
        return Ended("interrupted", "The run was cancelled.", tuple(steps))
    ran = {step.name for step in steps if step.state == run.state == "SUCCEEDED"}
    for name, (status, page) in _MARKS.items():
        if name in ran:
            return Ended(status, f"The run is over: {status}. {page}", tuple(steps))
    if UNCHANGED in ran:
        message = (
            f"Nothing is new since the last verdict, which the step {UNCHANGED} names; --param {AGAIN}=true trains."
        )
        return Ended("unchanged", message, tuple(steps))
    # The backend calls a run a success whose first step failed, where the step after that one did not.
    failed = [step.name for step in steps if step.state == "FAILED" and step.name not in TRAITS]
    if failed or run.state != "SUCCEEDED":
        said = f" ({run.error.message})" if run.error and run.error.message else ""
        return Ended("failed", f"The run failed at {', '.join(failed) or 'no step that is named'}{said}.", tuple(steps))
    # Missing evidence is no success.
    deciding = " or ".join(traits.decided_by for traits in TRAITS.values())
    return Ended(
        "failed", f"The run ended, and the server shows no decision; look at the step {deciding}.", tuple(steps)
    )
