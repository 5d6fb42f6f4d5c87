"""What a confined child can still do, and what its parent makes of what it says."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.confinement.had import Had
from components.confinement.limits import Limits, default_memory_bytes, memory_of, number_of_cores
from components.confinement.outside import ChildFailed, Confined, run_confined
from components.doctor import confined
from components.doctor.confined import examine_confined
from components.errors import DataRefused

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLENTY = Limits(2 * 10**9, 60)


def inside(name: str, limits: Limits = PLENTY, network: bool = False, **arguments: Any) -> Confined:
    return run_confined(f"tests.doctor.inside:{name}", arguments, limits, "MODEL", network)


@pytest.fixture(scope="module")
def had() -> Had:
    return inside("say", value=None).had


def need(had: Had, mechanism: str) -> None:
    if not any(one.startswith(mechanism) for one in had.mechanisms):
        pytest.skip(f"this system does not give it: {', '.join(had.missing)}")


# --- Files


def test_nothing_outside_its_own_folder_can_be_changed(had, tmp_path):
    need(had, "Landlock")
    need(had, "seccomp")
    if had.writing != "own folder":
        pytest.skip(f"this kernel's Landlock cannot keep files from being emptied: {', '.join(had.mechanisms)}")
    old = tmp_path / "old.txt"
    old.write_text("old")
    before = old.lstat()
    found = inside("change_files", folder=str(tmp_path)).value
    assert [name for name, result in found.items() if result == "done"] == [], found
    after = old.lstat()
    assert old.read_text() == "old" and os.listdir(tmp_path) == ["old.txt"]
    assert (after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_in_its_own_folder_everything_works_and_nothing_is_left_of_it():
    found = inside("write_in_its_own_folder").value
    assert found["text"] == "ab" and found["home"] == found["temporary"]
    assert not os.path.exists(found["home"])


# --- Network


@pytest.fixture
def servers(tmp_path) -> Iterator[tuple[int, str]]:
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "socket"))
        for one in (tcp, unix):
            one.listen()
        yield tcp.getsockname()[1], str(tmp_path / "socket")


def test_no_server_is_reached(had, servers):
    if had.network != "none":
        pytest.skip(f"this system does not take the network away: {', '.join(had.missing)}")
    need(had, "seccomp")
    found = inside("connect", port=servers[0], path=servers[1]).value
    assert set(found.values()) == {"EPERM"}, found


def test_there_is_no_interface_beside_the_loopback(had):
    need(had, "network namespace")
    assert set(inside("network_interfaces").value) <= {"lo"}


def test_for_remote_data_network_and_environment_stay_and_writing_does_not(had, servers, tmp_path, monkeypatch):
    need(had, "Landlock")
    monkeypatch.setenv("FROSTGATE_CANARY", "yellow")
    (tmp_path / "old.txt").write_text("old")
    done = inside("connect", network=True, port=servers[0], path=servers[1])
    assert (done.value["tcp"], done.value["io_uring"]) == ("done", "EPERM")
    assert done.had.network == "allowed" and "with network and your environment" in done.had.sentence
    assert inside("what_is_known", network=True).value["variables"]["FROSTGATE_CANARY"] == "yellow"
    assert "done" not in inside("change_files", network=True, folder=str(tmp_path)).value.values()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("gs://bucket/train", True),
        ("s3://bucket/*.tfrecord", True),
        ("file:///photos/train", False),
        ("file://a.zip::https://host/a.zip", True),
        ("photos/train", False),
        ("train.npz", False),
    ],
)
def test_the_network_stays_for_remote_data_alone(monkeypatch, uri, expected):
    asked: list[bool] = []

    def asked_for(*_: Any, network: bool) -> Confined:
        asked.append(network)
        raise DataRefused("enough")

    monkeypatch.setattr(confined, "run_confined", asked_for)
    with pytest.raises(DataRefused):
        examine_confined("model.keras", "train.npz", uri, None, None, 32, None, PLENTY)
    assert asked == [expected]


# --- Other processes, and what this one holds


def test_it_starts_nothing_and_reaches_no_other_process(had):
    need(had, "seccomp")
    found = inside("reach_processes").value
    assert found.pop("signal to itself") == "done"
    of_parent = [found.pop(name) for name in ("its parent's environment", "its parent's memory")]
    assert set(found.values()) == {"EPERM"}, found
    need(had, "Landlock")
    assert set(of_parent) == {"EACCES"}


def test_it_sees_neither_the_environment_nor_the_open_files_of_its_parent(tmp_path, monkeypatch):
    monkeypatch.setenv("FROSTGATE_CANARY", "yellow")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "yellow")
    monkeypatch.chdir(tmp_path)
    with open(tmp_path / "secret.txt", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        found = inside("what_is_known").value
    assert "yellow" not in json.dumps(found)
    assert not any("secret.txt" in path for path in found["files"].values()), found["files"]
    # Relative addresses mean what they meant, and a terminal cannot be typed into.
    assert found["folder"] == str(tmp_path) and found["session"]
    privileges = dict(line.split(":\t") for line in found["privileges"].splitlines() if ":\t" in line)
    assert privileges["NoNewPrivs"] == "1" and int(privileges["CapEff"], 16) & ~(1 << 2) == 0


# --- Limits and crashes


def test_memory_above_the_limit_ends_with_a_sentence():
    if memory_of(os.getpid()) is None:
        pytest.skip("this system does not say what memory a process has")
    with pytest.raises(DataRefused, match=r"Examining MODEL took more memory than 200 MB and was stopped\. Give --max"):
        inside("grow", Limits(2 * 10**8, 60), step_bytes=10**7, most_bytes=6 * 10**8)


def test_memory_far_above_the_limit_is_refused_before_it_is_taken():
    if sys.platform != "linux":
        pytest.skip("only Linux counts a process's private memory against its limit")
    with pytest.raises(DataRefused, match="took more memory than 200 MB and was stopped"):
        # Nothing of it is written to, so that nobody sees it who looks at what is in use.
        inside("take_at_once", Limits(2 * 10**8, 60), number_bytes=2**31 + number_of_cores() * 2**27)


def test_time_above_the_limit_ends_with_a_sentence():
    started, before = time.monotonic(), _children_of(os.getpid())
    with pytest.raises(DataRefused, match=r"Examining MODEL was not over after 0\.02 minutes and was stopped\. Give"):
        inside("sleep", Limits(None, 1.2), seconds=50)
    assert time.monotonic() - started < 20 and _children_of(os.getpid()) == before


@pytest.mark.parametrize(
    ("target", "arguments", "sentence"),
    [
        (
            "signal_itself",
            {"number": int(signal.SIGKILL)},
            "SIGKILL and without a report; if nobody killed it, the",
        ),
        ("read_nowhere", {}, "SIGSEGV and without a report; it may be damaged, or made to crash TensorFlow"),
        ("signal_itself", {"number": int(signal.SIGABRT)}, "SIGABRT and"),
        ("leave", {"code": 7}, "exit code 7 and without a report"),
    ],
)
def test_a_crash_is_a_sentence(target, arguments, sentence):
    with pytest.raises(DataRefused, match=f"^Examining MODEL ended with {sentence}"):
        inside(target, **arguments)


# --- What the parent believes


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"value": NaN, "refused": 1}', "[" * 100_000])
def test_nonsense_is_a_sentence(text):
    with pytest.raises(DataRefused, match="gave no report that can be read"):
        inside("answer", text=text)


def test_a_flood_is_a_sentence():
    with pytest.raises(DataRefused, match="gave a report of more than 64 MiB and was stopped"):
        inside("flood")


@pytest.mark.parametrize(
    "said", [None, {}, {"document": {}, "verdict": {}, "text": "", "exit_code": 99}, {"document": [], "verdict": {}}]
)
def test_a_report_of_another_form_is_a_sentence(monkeypatch, had, said):
    monkeypatch.setattr(confined, "run_confined", lambda *_, network: Confined(said, had))
    with pytest.raises(DataRefused, match="gave no report that can be read"):
        examine_confined("model.keras", "train.npz", "eval.npz", None, None, 32, None, PLENTY)


def test_control_characters_are_shown_and_not_obeyed(monkeypatch, had):
    with pytest.raises(DataRefused) as caught:
        inside("refuse", text="red \x1b[31m\x9b2J\u202e")
    assert str(caught.value) == "red \\x1b[31m\\x9b2J\\u202e"
    with pytest.raises(ChildFailed, match=r"\\x1b\[31m"):
        inside("fail", text="\x1b[31m")
    said = {"document": {}, "verdict": {}, "text": "one\n\x1b[2Jtwo", "exit_code": 0}
    monkeypatch.setattr(confined, "run_confined", lambda *_, network: Confined(said, had))
    report = examine_confined("model.keras", "train.npz", "eval.npz", None, None, 32, None, PLENTY)
    assert report.text == f"one\n\\x1b[2Jtwo\n{had.sentence}" and report.document["confinement"] == had.document()


# --- The end of the parent


# A process that was started in the background by a script is told to leave Ctrl-C alone, and tells its children.
CALL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from components.confinement.limits import Limits
from components.confinement.outside import run_confined
run_confined("tests.doctor.inside:sleep", {"seconds": 100}, Limits(None, 100), "MODEL")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_child_ends_with_its_parent(had, tmp_path, number):
    if number == signal.SIGKILL:
        need(had, "end with the parent")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", CALL], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as parent:
        try:
            child = _child_of(parent.pid)
            parent.send_signal(number)
            assert parent.wait(20) == (128 + number if number in (signal.SIGTERM, signal.SIGHUP) else -number)
        finally:
            parent.kill()
    deadline = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)
    if number != signal.SIGKILL:
        assert os.listdir(tmp_path) == []


def _child_of(process: int) -> int:
    """The child, once it is confined."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, IndexError):
            child = _children_of(process)[0]
            if "Seccomp:\t2" in Path(f"/proc/{child}/status").read_text():
                return child
        time.sleep(0.05)
    pytest.fail("no child was confined")


def _children_of(process: int) -> list[int]:
    if sys.platform != "linux":
        pytest.skip("only Linux says which children a process has")
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# --- What is said of it


def test_what_was_had_is_one_line(had):
    assert had.sentence.startswith("examined ") and "\n" not in had.sentence
    assert had.sentence.endswith("in at most 2.0 GB of memory and at most 1 minutes")


def test_what_the_system_does_not_give_is_said_with_its_reason():
    code = """
import json, os, tempfile
from components.confinement import inside, landlock, namespaces, seccomp
def refused(*_):
    raise OSError(38, "Function not implemented")
landlock.restrict = namespaces.leave_network = seccomp.restrict = refused
print(json.dumps(inside.confine(tempfile.gettempdir(), False, None, 60, os.getppid())))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    had = Had.from_document(json.loads(done.stdout), Limits(None, 60))
    assert had.sentence == (
        "examined with network, which this system does not take away, writing wherever you may, which this system does "
        "not take away, in any amount of memory and at most 1 minutes"
    )
    reason = "Function not implemented"
    assert had.missing == tuple(f"{name}: {reason}" for name in ("network namespace", "Landlock", "seccomp"))
    assert had.may_start_programs


def test_the_default_memory_is_less_than_the_machine_has():
    default = default_memory_bytes()
    if default is None:
        pytest.skip("this system does not say what memory is left")
    assert 0 < default < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_folder_without_a_model_is_refused_without_tensorflow(tmp_path):
    found = inside("refusal", model=str(tmp_path)).value
    assert found["imported"] == [] and "has no saved_model.pb" in found["said"]
