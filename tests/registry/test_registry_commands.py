"""`frostgate registry` and `frostgate approve`: what a person does, and what it leaves behind."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.pusher.versions import push
from components.registry.opening import open_registry
from components.registry.protocol import BASELINE, CODES, RUN_KEY, SERVES, WITHDRAWN, ModelRecord
from components.registry.publishing import publish
from components.registry.settings import RegistrySettings
from pipeline.cli.main import main

pytestmark = pytest.mark.slow

Make = Callable[..., ModelRecord]
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["file", "server", "kubeflow"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> RegistrySettings:
    if request.param == "kubeflow":
        return request.getfixturevalue("kubeflow_settings")
    if request.param == "server":
        address = request.getfixturevalue("mlflow_server")
        return RegistrySettings(uri=address, model_name=request.node.name.partition("[")[0])
    return RegistrySettings(uri=f"sqlite:///{tmp_path}/out/digits/mlflow.db", model_name="digits")


@pytest.fixture
def say(
    settings: RegistrySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """Runs a command on the registry; returns its exit code and what it said."""

    def run(*words: str) -> tuple[int, str, str]:
        registry = {f"registry.{name}": value for name, value in settings.model_dump().items() if value}
        told = {"output": f"{tmp_path}/out"} | registry
        overrides = [word for key, value in told.items() for word in ("--set", f"{key}={value}")]
        monkeypatch.setattr("sys.argv", ["frostgate", *words, *overrides])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return int(code if isinstance(code, int | str) else 0), said.out, said.err

    return run


@pytest.fixture
def judged(settings: RegistrySettings, make_record: Make, tmp_path: Path) -> Callable[..., str]:
    """Does what a run does with a judged model: served and champion if it passed, and recorded anyway."""

    def make(contents: str, decision: str = "PASS", codes: str = "", serves: str = "yes") -> str:
        registry = open_registry(settings)
        champion = registry.champion()
        record = make_record(contents, decision)
        said = {CODES: codes, SERVES: serves, RUN_KEY: f"key-{contents}"}
        said[BASELINE] = champion.version if champion else "none"
        record = make_record(contents, decision, tags={**record.tags, **said})
        passed = decision == "PASS" and serves == "yes"
        if passed:
            push(next(iter(record.artifacts)), str(tmp_path / "out" / "digits" / "models"), record.fingerprint)
        return publish(registry, record, promote=passed).version

    return make


def served(tmp_path: Path) -> dict[str, str]:
    """What a model server finds: version -> content."""
    found = (tmp_path / "out" / "digits" / "models").glob("[0-9]*")
    return {path.name: (path / "saved_model.pb").read_text() for path in sorted(found)}


def champion(settings: RegistrySettings) -> Any:
    found = open_registry(settings).champion()
    return found.version if found else None


def shown(say: Say, number: str) -> dict[str, Any]:
    return json.loads(say("registry", "show", number, "--json")[1])


def test_a_rollback_serves_the_champion_before_and_another_one_the_one_before_that(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path
) -> None:
    one, two, three = (judged(contents) for contents in ("one", "two", "three"))
    code, out, _ = say("registry", "rollback", "--by", "Ada", "--reason", "answers slowly")
    assert (code, champion(settings)) == (0, two)
    assert out == f"Version {two} is the champion now; before: {three}.\n  served version: 4\n"
    # Servers load the highest number, so what is served again gets a new one.
    assert served(tmp_path) == {"1": "one", "2": "two", "3": "three", "4": "two"}
    assert say("registry", "rollback", "--by", "Bob")[0] == 0
    assert champion(settings) == one and served(tmp_path)["5"] == "one"
    code, _, err = say("registry", "rollback")
    assert code == 2 and err.count("\n") == 1 and "no version before it is left" in err
    (entry,) = shown(say, three)["audit"]
    assert (entry["action"], entry["by"], entry["reason"]) == ("withdraw", "Ada", "answers slowly")
    assert "taken back by Ada" in say("registry", "list")[1]


def test_what_was_taken_back_is_promoted_by_hand_only(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path
) -> None:
    one, two = judged("one"), judged("two")
    say("registry", "rollback", "--by", "Ada")
    code, out, err = say("registry", "promote", two, "--by", "Bob", "--reason", "it was the network", "--json")
    assert code == 0, err
    assert json.loads(out) == {"action": "promote", "champion": two, "before": one, "served_version": "4"}
    assert champion(settings) == two and served(tmp_path)["4"] == "two"
    assert "withdrawn" not in json.dumps({k: v for k, v in shown(say, two)["tags"].items() if v})
    code, out, _ = say("registry", "promote", two, "--by", "Bob")
    assert code == 0 and f"Version {two} is the champion already." in out


def test_after_a_rollback_that_was_killed_both_ways_are_open(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed when what it took back was marked, and the alias had not moved."""
    one, two = judged("one"), judged("two")

    def killed(*ignored: object) -> None:
        raise KeyboardInterrupt

    for way, champions_number in (("promote", two), ("rollback", one)):
        with monkeypatch.context() as patch:
            patch.setattr(type(open_registry(settings)), "move_alias", killed)
            assert say("registry", "rollback", "--by", "Eve")[0] == 130
        assert champion(settings) == two and "champion, taken back by Eve" in say("registry", "list")[1]
        words = [way, two] if way == "promote" else [way]
        assert say("registry", *words, "--by", "Ada")[0] == 0
        assert champion(settings) == champions_number
        assert bool(shown(say, two)["tags"].get(WITHDRAWN)) == (way == "rollback")
        assert list(served(tmp_path).values())[-1] == {one: "one", two: "two"}[champions_number]


def test_a_champion_that_another_one_moved_meanwhile_is_not_replaced(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = judged("one"), judged("two"), judged("three")

    def waited(root: Path, holder: str) -> None:
        open_registry(settings).move_alias(two, three)

    monkeypatch.setattr("pipeline.registry_actions.lease.take", waited)
    before = served(tmp_path)
    code, _, err = say("registry", "promote", one)
    assert code == 1 and err.count("\n") == 1, err
    assert f"champion was {three} when this command began and is {two} now; nothing was changed" in err
    assert champion(settings) == two and served(tmp_path) == before


@pytest.mark.parametrize(
    ("decision", "codes", "serves", "sentence"),
    [
        ("BLOCK", "G1,G3", "yes", "frostgate approve 2 --by NAME --reason TEXT --override-code G1 --override-code G3"),
        ("HOLD", "HOLD", "yes", "frostgate approve 2 --by NAME --reason TEXT"),
        ("PASS", "", "no", "failed the serving check"),
    ],
)
def test_a_model_that_did_not_pass_is_not_promoted(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path, decision: str, codes: str,
    serves: str, sentence: str,
) -> None:  # fmt: skip
    # The server keeps one model a test, whatever its parameters: contents differ, numbers go on.
    judged(f"good {decision}{serves}")
    before = champion(settings)
    number = judged(f"bad {decision}{serves}", decision, codes, serves)
    code, _, err = say("registry", "promote", number, "--by", "Ada")
    assert code == 2 and err.count("\n") == 1 and sentence.replace("approve 2", f"approve {number}") in err
    assert champion(settings) == before and len(served(tmp_path)) == 1


def test_a_held_model_serves_when_somebody_answers_for_it(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path
) -> None:
    before = judged("one")
    number = judged("two", "HOLD", "HOLD")
    code, out, err = say("approve", number, "--by", "Ada", "--reason", "180 images are what there is")
    assert (code, err) == (0, "") and f"Version {number} is the champion now; before: {before}." in out
    assert champion(settings) == number and served(tmp_path) == {"1": "one", "2": "two"}
    document = shown(say, number)
    assert document["tags"]["frostgate.approved_by"] == "Ada" and document["tags"]["frostgate.decision"] == "HOLD"
    (entry,) = document["audit"]
    assert entry["reason"] == "180 images are what there is" and entry["champion_before"] == before
    # It may come back after a rollback, for somebody answered for it.
    say("registry", "rollback", "--by", "Bob")
    assert say("registry", "promote", number, "--by", "Ada")[0] == 0


def test_a_blocked_model_needs_every_code_and_is_loud(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path
) -> None:
    before = judged("one")
    number = judged("two", "BLOCK", "G1,G3,HOLD")
    told = ("approve", number, "--by", "Ada", "--reason", "a demonstration")
    for codes in ((), ("--override-code", "G3"), ("--override-code", "G1", "--override-code", "G2")):
        code, _, err = say(*told, *codes)
        assert code == 2 and "--override-code G1 --override-code G3" in err
        assert champion(settings) == before and list(served(tmp_path)) == ["1"]
    code, _, err = say(*told, "--override-code", "G1", "--override-code", "G3")
    assert code == 0 and err.startswith("WARNING: G1, G3 BLOCKED THIS MODEL")
    assert champion(settings) == number and shown(say, number)["audit"][0]["codes"] == "G1,G3"


def test_a_champion_that_moved_is_compared_with_first(
    say: Say, judged: Callable[..., str], settings: RegistrySettings
) -> None:
    before = judged("one")
    number = judged("two", "HOLD", "HOLD")
    now = judged("three")
    code, _, err = say("approve", number, "--by", "Ada", "--reason", "late")
    assert code == 2 and f"the champion was {before} when the model was judged and is {now} now" in err
    assert champion(settings) == now and "frostgate.approved_by" not in shown(say, number)["tags"]


def test_files_that_changed_since_are_not_served(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path
) -> None:
    folder = Path(settings.storage) if settings.kind == "kubeflow" else tmp_path / "out" / "digits" / "mlartifacts"
    if settings.uri.startswith("http") and settings.kind == "mlflow":
        pytest.skip("a server's files are its own")
    judged("one")
    two = judged("two")
    (stored,) = (path for path in folder.rglob("saved_model.pb") if path.read_text() == "one")
    stored.write_text("something else")
    code, _, err = say("registry", "rollback", "--by", "Ada")
    assert code == 2 and "Somebody changed" in err
    assert champion(settings) == two and served(tmp_path) == {"1": "one", "2": "two"}


def test_the_alias_alone_moves_where_the_served_folder_is_elsewhere(
    say: Say, judged: Callable[..., str], settings: RegistrySettings, tmp_path: Path
) -> None:
    one, two = judged("one"), judged("two")
    code, out, _ = say("registry", "rollback", "--by", "Ada", "--no-serve")
    assert (code, out) == (0, f"Version {one} is the champion now; before: {two}.\n")
    assert champion(settings) == one and list(served(tmp_path)) == ["1", "2"]


def test_the_list_says_what_each_version_is(say: Say, judged: Callable[..., str]) -> None:
    one, two = judged("one"), judged("two", "BLOCK", "G3")
    code, out, _ = say("registry", "list")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3
    assert lines[1].split()[:2] == [one, "PASS"] and lines[1].rstrip().endswith("champion")
    assert lines[2].split()[:3] == [two, "BLOCK", "G3"]
    found = json.loads(say("registry", "list", "--json")[1])
    assert [(one["version"], one["champion"]) for one in found] == [(one, True), (two, False)]
    code, out, _ = say("registry", "show")
    assert code == 0 and out.startswith(f"version {one}  PASS  champion\n") and "  decision: PASS\n" in out


def test_what_is_not_there_is_a_sentence(say: Say, judged: Callable[..., str], settings: RegistrySettings) -> None:
    if settings.uri.startswith("sqlite"):
        code, _, err = say("registry", "list")
        assert code == 2 and "There is no registry yet at sqlite:///" in err
    one = judged("one", "BLOCK", "G3")
    for words, sentence in (
        (("show",), "no champion yet"),
        (("show", "9"), "has no version 9"),
        (("rollback",), "no champion to roll back"),
        (("promote", "9"), "has no version 9"),
    ):
        code, _, err = say("registry", *words)
        assert code == 2 and err.count("\n") == 1 and sentence in err, err
    code, _, err = say("approve", one, "--by", " ", "--reason", "x")
    assert code == 2 and "needs a name and a reason" in err


def test_a_server_that_is_down_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setattr("sys.argv", ["frostgate", "registry", "list", "--set", "registry.uri=http://127.0.0.1:9"])
    with pytest.raises(SystemExit) as ended:
        main()
    err = capsys.readouterr().err
    assert ended.value.code == 1 and err.count("\n") == 1 and "registry at http://127.0.0.1:9 did not" in err


def written(tmp_path: Path) -> dict[str, Any]:
    """The manifest beside the served versions."""
    return yaml.safe_load((tmp_path / "out" / "digits" / "models" / "inferenceservice.yaml").read_text())


STORED = ("--set", "kserve.storage_uri=pvc://models/digits", "--set", "kserve.canary_percent=10")


def test_rollback_and_promote_rewrite_the_manifest_and_a_rollback_takes_effect_whole(
    say: Say, judged: Callable[..., str], tmp_path: Path
) -> None:
    one, two = judged("one"), judged("two")
    assert say("registry", "rollback", "--by", "Ada", *STORED)[0] == 0
    predictor = written(tmp_path)["spec"]["predictor"]
    assert predictor["model"]["storageUri"] == "pvc://models/digits/3"
    assert "canaryTrafficPercent" not in predictor
    # What is printed later is what was written then.
    assert yaml.safe_load(say("registry", "manifest", *STORED)[1]) == written(tmp_path)
    assert say("registry", "promote", two, "--by", "Ada", *STORED)[0] == 0
    predictor = written(tmp_path)["spec"]["predictor"]
    assert predictor["model"]["storageUri"] == "pvc://models/digits/4"
    assert predictor["canaryTrafficPercent"] == 10
    assert written(tmp_path)["metadata"]["annotations"]["frostgate/registered-version"] == two
    assert say("registry", "promote", one, "--no-serve", *STORED)[0] == 0
    assert written(tmp_path)["metadata"]["annotations"]["frostgate/registered-version"] == two


def test_the_manifest_names_the_folder_that_holds_the_champion_not_the_newest(
    say: Say, judged: Callable[..., str], tmp_path: Path
) -> None:
    one, _ = judged("one"), judged("two")
    file = tmp_path / "it.yaml"
    say("registry", "promote", one, "--by", "Ada", "--no-serve")
    code, out, err = say("registry", "manifest", "-o", str(file), "--canary", "25", *STORED)
    assert (code, out) == (0, ""), err
    predictor = yaml.safe_load(file.read_text())["spec"]["predictor"]
    assert predictor["model"]["storageUri"] == "pvc://models/digits/1" and predictor["canaryTrafficPercent"] == 25


def test_a_manifest_needs_a_champion_that_is_served(say: Say, judged: Callable[..., str], tmp_path: Path) -> None:
    judged("one", "HOLD")
    code, _, err = say("registry", "manifest")
    assert code == 2 and "There is no champion yet." in err
    two = judged("two")
    shutil.rmtree(tmp_path / "out" / "digits" / "models" / "1")
    code, _, err = say("registry", "manifest")
    assert code == 2 and f"`frostgate registry promote {two}` pushes it there" in err
    code, _, err = say("registry", "manifest", "--dry-run")
    assert code == 2 and "received it without --apply" in err
