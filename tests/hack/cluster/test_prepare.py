"""A machine is prepared only for a local cluster that isn't up yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster import packages, preflight, prepare, state
from hack.cluster.progress import ClusterError


@pytest.fixture
def bare(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a container engine on which every check fails."""

    def lacking(**_: object) -> None:
        raise ClusterError("disk: want more")

    monkeypatch.delenv("TRAINYARD_CONTEXT", raising=False)
    monkeypatch.setattr(prepare, "engine_answers", lambda: False)
    monkeypatch.setattr(preflight, "machine", lacking)
    return cache


@pytest.mark.usefixtures("bare")
def test_what_a_machine_lacks_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any environment is made, nothing but the standard library is there to say it."""
    assert prepare.main() == 1
    assert capsys.readouterr().err == "error: disk: want more\n"


def test_there_is_nothing_to_do_for_another_kind_of_cluster_or_one_that_is_up(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named context, an engine that answers, and a state file each are enough."""
    with monkeypatch.context() as patch:
        patch.setenv("TRAINYARD_CONTEXT", "staging")
        assert prepare.main() == 0
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "engine_answers", lambda: True)
        assert prepare.main() == 0
    state.save(state.ClusterState(bare / "kubeconfig", "there", "", bare / "bin", "local", ""))
    assert prepare.main() == 0


@pytest.mark.usefixtures("bare")
def test_packages_come_after_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed on a machine that lacks something; a cold one is checked for room to build."""
    called: list[object] = []
    monkeypatch.setattr(packages, "ensure", called.append)
    assert prepare.main() == 1
    assert called == []
    monkeypatch.setattr(preflight, "machine", lambda *, warm: called.append(warm))
    assert prepare.main() == 0
    assert called == [False, packages.CLUSTER]
