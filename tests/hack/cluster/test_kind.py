"""A cluster by kind: the program's own doing, with a kubeconfig of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster import context, kind, state
from hack.cluster.progress import ClusterError
from tests.hack.programs import Program


def test_without_kind_the_two_ways_out_are_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container engine alone is no cluster."""
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(ClusterError, match=r"install kind, or set TRAINYARD_CONTEXT"):
        kind.up()


@pytest.mark.parametrize(("existing", "verb"), [("", "create"), ("trainyard-test\n", "export")])
def test_a_cluster_that_is_there_is_used_again(
    existing: str, verb: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either way its kubeconfig is a file of ours, never the user's; `down` deletes the cluster and forgets it."""
    program = Program(cache / "path", "kind", says=existing)
    monkeypatch.setenv("PATH", f"{cache / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(context, "tools", lambda: cache / "bin")
    made = kind.up()
    assert state.load() == made
    assert made.kubeconfig.is_relative_to(cache)
    assert program.calls[1][0] == verb
    kind.down()
    assert program.calls[2][:2] == ["delete", "cluster"]
    assert all(f"--kubeconfig={made.kubeconfig}" in call for call in program.calls[1:])
    assert state.load() is None


def test_a_failure_of_kind_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kind has said above what was wrong."""
    Program(cache / "path", "kind", fails="no")
    monkeypatch.setenv("PATH", f"{cache / 'path'}:/usr/bin:/bin")
    with pytest.raises(ClusterError, match=r"^kind: create cluster .* failed: see above$"):
        kind.up()
