"""The image builds' command ends with a line where it can't go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hack.images import build
from hack.images.__main__ import main


def test_what_was_built_is_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each image with the reference that pods name; `--no-push` asks for nothing of a cluster."""
    called: list[str] = []
    monkeypatch.setattr(build, "build", lambda: {"operator": "here/operator:1"})
    monkeypatch.setattr(build, "build_only", lambda: called.append("only"))
    monkeypatch.setattr(sys, "argv", ["images", "build"])
    assert main() == 0
    assert capsys.readouterr().out == "operator: here/operator:1\n"
    monkeypatch.setattr(sys, "argv", ["images", "build", "--no-push"])
    assert main() == 0
    assert called == ["only"]


def test_an_error_is_a_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback."""
    monkeypatch.setattr(sys, "argv", ["images", "derive", "--from=base", f"--context={tmp_path}", "--name=mine"])
    assert main() == 1
    assert capsys.readouterr().err == "derive: from: want one of operator, trainer; got 'base'\n"
