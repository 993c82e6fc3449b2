"""Processes that outlive their starter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from hack.cluster import processes
from tests.waiting import until


def _start(folder, *argv, **options):
    return processes.start(folder, "it", argv, log=folder / "it.log", env=dict(os.environ), **options)


def test_a_process_is_found_until_it_is_stopped(tmp_path):
    """Another command finds the process by its note; stopping ends it and removes the note."""
    process = _start(tmp_path, "sleep", "3600")
    assert processes.find(tmp_path, "it") == process
    processes.stop(tmp_path, "it", grace=0)
    assert not processes.alive(process)
    assert processes.names(tmp_path) == []


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    """Down never hangs on a process that doesn't want to end."""
    process = _start(tmp_path, "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    until(lambda: "deaf" in (tmp_path / "it.log").read_text(), "the process doesn't begin")
    processes.stop(tmp_path, "it", grace=0.3)
    assert not processes.alive(process)


def test_an_id_that_another_program_has_now_is_not_ours(tmp_path):
    """After a reboot the kernel gives ids anew: a note about an old process must not lead to killing a stranger."""
    process = _start(tmp_path, "sleep", "3600")
    note = tmp_path / "it.json"
    try:
        note.write_text(json.dumps({**json.loads(note.read_text()), "start": "earlier-boot/1"}))
        assert processes.find(tmp_path, "it") is None
        processes.stop(tmp_path, "it", grace=0)
        assert processes.alive(process)
    finally:
        os.kill(process.pid, 9)


def test_a_note_cut_off_while_being_written_is_no_process(tmp_path):
    """A starter that was killed between two lines leaves nothing that later commands stumble over."""
    (tmp_path / "it.json").write_text('{"name": "it", "pi')
    assert processes.find(tmp_path, "it") is None
    processes.stop(tmp_path, "it", grace=0)
    assert processes.names(tmp_path) == []


def _outlive(tmp_path, *, tied):
    code = (
        "import os, pathlib; from hack.cluster import processes;"
        f"f = pathlib.Path({str(tmp_path)!r});"
        f"p = processes.start(f, 'it', ['sleep', '3600'], log=f / 'log', env=dict(os.environ), tied={tied});"
        # Tying happens in the new process: wait until it has become what it shall run.
        "c = pathlib.Path(f'/proc/{p.pid}/cmdline');\nwhile not c.read_bytes().startswith(b'sleep'): pass"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})


def test_a_process_outlives_its_starter(tmp_path):
    """The cluster stays up when the shell that brought it up is gone."""
    _outlive(tmp_path, tied=False)
    time.sleep(0.5)  # for one that ends with it to show itself
    assert processes.find(tmp_path, "it")
    processes.stop(tmp_path, "it", grace=0)


def test_a_tied_process_ends_with_its_starter(tmp_path):
    """A test run that is killed leaves no server behind."""
    _outlive(tmp_path, tied=True)
    until(lambda: processes.find(tmp_path, "it") is None, "the server is left behind")


def test_a_child_is_found_by_an_argument_of_its_own(tmp_path):
    """What containerd started is found by containerd's socket among its arguments, and nothing else is."""
    # One process alone: a shell's child carries the shell's own arguments until it becomes another program.
    process = _start(tmp_path, sys.executable, "-c", "import time; time.sleep(3600)", str(tmp_path / "socket"))
    try:
        assert processes.with_argument(str(tmp_path / "socket")) == [process.pid]
        assert processes.with_argument(str(tmp_path / "sock")) == []
    finally:
        processes.stop(tmp_path, "it", grace=0)
