"""Below a table stands what its figures depend on."""

from __future__ import annotations

import os
import sys

import pytest

from hack.bench.machine import circumstances, processor


def test_circumstances_are_the_machine_the_versions_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines; arguments are quoted so that the command can be given again."""
    monkeypatch.setattr(sys, "argv", ["step", "--case", "two words"])
    machine, command = circumstances(["transformers"])
    assert f"{os.cpu_count()} cores" in processor() or processor() == os.uname().machine
    assert machine.startswith(processor())
    assert "threads: " in machine
    assert "transformers " in machine
    assert command.endswith(" --case 'two words'`")
