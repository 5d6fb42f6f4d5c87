import os
import subprocess

import pytest

from components.errors import conceal
from pipeline.runners.console import output_to, run_safely


def test_everything_goes_to_the_log_and_comes_back_afterwards(tmp_path, capfd):
    with output_to(tmp_path / "log.txt"):
        print("from Python")
        os.write(2, b"from native code\n")
        subprocess.run(["echo", "from a child"], check=True)
    print("to the console")
    assert capfd.readouterr().out == "to the console\n"
    log = (tmp_path / "log.txt").read_text()
    assert all(text in log for text in ("from Python", "from native code", "from a child"))


def test_passwords_of_children_and_native_code_leave_the_log_when_it_is_closed(tmp_path):
    conceal(["c4n4ry"])
    log = tmp_path / "log.txt"
    with output_to(log):
        os.write(2, b"native: http://ann:other@host \xff\r\n")
        subprocess.run(["sh", "-c", "echo child: c4n4ry; echo kept"], check=True)
    assert log.read_bytes() == b"native: http://host \xff\r\nchild: ***\nkept\n"
    assert [one.name for one in tmp_path.iterdir()] == ["log.txt"]


def test_a_steps_traceback_has_no_password(capfd):
    conceal(["c4n4ry"])

    def main():
        raise RuntimeError("refused c4n4ry")

    with pytest.raises(SystemExit) as ended:
        run_safely(main)
    said = capfd.readouterr().err
    assert ended.value.code == 1 and "refused ***" in said and "c4n4ry" not in said


def test_the_console_comes_back_after_an_error(tmp_path, capfd):
    with pytest.raises(ValueError, match="mine"), output_to(tmp_path / "log.txt"):
        raise ValueError("mine")
    os.write(1, b"to the console\n")
    assert capfd.readouterr().out == "to the console\n"


def test_a_full_disk_ends_the_log_and_not_the_run(capfd):
    with output_to("/dev/full"), pytest.raises(OSError, match="No space left"):
        print("lost")
    os.write(1, b"to the console\n")
    assert capfd.readouterr().out == "to the console\n"
