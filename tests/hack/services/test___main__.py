"""The services' command ends with a line where it can't go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hack.services.__main__ import main


@pytest.mark.parametrize("command", ["up", "down"])
def test_without_a_cluster_it_says_what_to_do_first(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and exit code 1."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["services", command])
    assert main() == 1
    assert capsys.readouterr().err == "services: no cluster is up; run make cluster-up first\n"
