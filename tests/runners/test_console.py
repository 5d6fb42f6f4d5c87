import os
import subprocess

import pytest

from pipeline.runners.console import output_to


def test_everything_goes_to_the_log_and_comes_back_afterwards(tmp_path, capfd):
    with output_to(tmp_path / "log.txt"):
        print("from Python")
        os.write(2, b"from native code\n")
        subprocess.run(["echo", "from a child"], check=True)
    print("to the console")
    assert capfd.readouterr().out == "to the console\n"
    log = (tmp_path / "log.txt").read_text()
    assert all(text in log for text in ("from Python", "from native code", "from a child"))


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
