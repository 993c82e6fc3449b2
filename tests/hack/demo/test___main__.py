"""The demo's command says why it failed, and what took how long until then."""

from __future__ import annotations

import sys

import pytest

from hack.cluster.progress import ClusterError
from hack.demo import __main__ as demo
from hack.demo.phases import Story


def broken(story: Story) -> None:
    """Fails in its first phase."""
    with story.phase("cluster"):
        raise ClusterError("disk: want 60 GB")


def test_a_demo_that_fails_says_why_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line instead of a traceback, and the seconds of every phase that was begun."""
    monkeypatch.setattr(demo, "bring_up", broken)
    monkeypatch.setenv("TRAINYARD_BEGAN", "0")
    monkeypatch.setattr(sys, "argv", ["demo"])
    assert demo.main() == 1
    shown = capsys.readouterr()
    assert shown.err == "\ndemo failed: disk: want 60 GB\n"
    assert [line.split()[0] for line in shown.out.splitlines()[-3:]] == ["environment", "cluster", "total"]


def test_a_deployment_that_fails_says_why_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same for the part that brings everything up."""
    monkeypatch.setattr(demo, "bring_up", broken)
    monkeypatch.setattr(sys, "argv", ["demo", "deploy"])
    assert demo.main() == 1
    assert capsys.readouterr().err == "error: disk: want 60 GB\n"


def test_every_example_that_it_runs_is_there() -> None:
    """The order is that of the story: SFT first, for GRPO goes on from its checkpoint's like."""
    assert [path.name for path in demo.EXAMPLES] == ["calculator-sft.yaml", "calculator-grpo.yaml"]
    assert all((demo.ROOT / path).is_file() for path in demo.EXAMPLES)
