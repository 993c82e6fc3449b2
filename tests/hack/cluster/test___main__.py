"""The cluster's command: which kind of cluster it is about, and what a person sees of an error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hack.cluster import __main__ as command
from hack.cluster import local, state
from hack.cluster.progress import ClusterError


def noted(cache: Path, kind: str) -> None:
    """A cluster of this kind is up, as the state file says."""
    state.save(state.ClusterState(cache / "kubeconfig", "there", "", cache / "bin", kind, ""))


def test_a_context_is_not_used_beside_a_cluster_of_ours(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever forgot a running cluster is told how to take it down."""
    noted(cache, "local")
    monkeypatch.setenv("TRAINYARD_CONTEXT", "staging")
    with pytest.raises(ClusterError, match=r"take it down first: python -m hack\.cluster down"):
        command.up()


def test_down_only_forgets_a_context(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody else's cluster isn't touched."""
    noted(cache, "context")
    command.down()
    assert state.load() is None
    assert "nothing in it was touched" in capsys.readouterr().out


@pytest.mark.usefixtures("cache")
def test_down_without_a_cluster_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that there was nothing to do."""
    monkeypatch.setattr(local, "leftovers", lambda: False)
    command.down()
    assert "no cluster is up" in capsys.readouterr().out


def test_an_error_is_one_line_and_exit_code_1(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback; status of a cluster that isn't up ends with 1, too."""
    noted(cache, "local")
    monkeypatch.setenv("TRAINYARD_CONTEXT", "staging")
    monkeypatch.setattr(sys, "argv", ["cluster", "up"])
    assert command.main() == 1
    assert capsys.readouterr().err.startswith("error: TRAINYARD_CONTEXT: ")
    state.path().unlink()
    monkeypatch.setattr(sys, "argv", ["cluster", "status"])
    assert command.main() == 1
