"""One process to a run."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import GUARD_SECONDS
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.local_lock import only_process

HOLD = """
import sys
from pathlib import Path
from trainyard_trainer.local.local_lock import only_process
with only_process(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_by_the_first_s_number_until_that_is_gone(tmp_path: Path) -> None:
    """Killed, it leaves nothing that would have to be taken away."""
    folder = tmp_path / "team-a" / "job" / "run"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout.readline() == "held\n"
            with pytest.raises(RefusedError) as refused, only_process(folder):
                pass
            assert (refused.value.reason, refused.value.field_path) == (TerminationReason.FENCED, "--resume")
            assert f"process {first.pid} does" in str(refused.value)
            assert refused.value.value == str(folder)
        finally:
            first.kill()
            first.wait(GUARD_SECONDS)
    with only_process(folder):
        assert (folder / ".lock").read_text() == f"{os.getpid()}\n"
    with only_process(folder):
        pass


def test_whatever_the_lock_holds_is_no_fault(tmp_path: Path) -> None:
    """What a file says of who holds it is for people only."""
    (tmp_path / ".lock").write_bytes(b"\xff nobody")
    with (tmp_path / ".lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="another process does"), only_process(tmp_path):
            pass
    with only_process(tmp_path):
        pass


@pytest.mark.parametrize("place", [".lock", ""])
def test_a_folder_that_can_not_be_locked_is_refused(tmp_path: Path, place: str) -> None:
    """With the path: a folder where the lock should be, or a file where the run's folder should be."""
    folder = tmp_path / "run"
    if place:
        (folder / place).mkdir(parents=True)
    else:
        folder.touch()
    with pytest.raises(RefusedError, match="must be a file that can be written") as refused, only_process(folder):
        pass
    assert (refused.value.field_path, refused.value.value) == ("--output", str(folder / ".lock"))


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on, for nobody else may want it; whoever started it must see to that."""

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unknown)
    told: list[str] = []
    with only_process(tmp_path, told.append):
        pass
    (line,) = told
    assert line.startswith(f"{tmp_path} can't be locked (No locks available): ")


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """What it leads to isn't emptied."""
    kept = tmp_path / "kept"
    kept.write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(kept)
    with pytest.raises(RefusedError, match="must be a file that can be written"), only_process(tmp_path / "run"):
        pass
    assert kept.read_text() == "mine"
