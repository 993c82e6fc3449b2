"""Jobs are followed until the outcome of each is final."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hack.cluster.state import ClusterState
from hack.demo.phases import Story
from hack.demo.watch import ended, row, watch
from hack.kubectl import Kubectl
from tests.hack.programs import Program

NEW = {"metadata": {"name": "run"}}
DONE = {
    "metadata": {"name": "run"},
    "status": {
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed"}],
        "progress": {"steps": "60/60", "percent": 100, "reward": "0.98"},
        "cost": {"spentUSD": "0.07"},
        "budget": {"limitUSD": "5.00"},
    },
}


def test_a_row_has_what_is_known() -> None:
    """A job that nobody has looked at yet has a name; its end isn't known either."""
    assert row(NEW) == ("run", "", "", "", "", "", "")
    assert row(DONE) == ("run", "Completed", "60/60", "100", "0.98", "0.07", "5.00")
    assert (ended(NEW), ended(DONE)) == (False, True)


def watched(folder: Path, job: object, seconds: float) -> tuple[list[object], str]:
    """Jobs as last seen, and what was said."""
    Program(folder, "kubectl", says=json.dumps(job))
    shown = io.StringIO()
    kubectl = Kubectl(ClusterState(folder / "kubeconfig", "there", "", folder, "local", ""))
    return list(watch(kubectl, "team-a", ["run"], Story(Console(file=shown)), seconds=seconds)), shown.getvalue()


def test_it_returns_jobs_as_last_seen(tmp_path: Path) -> None:
    """With a line for each change where nobody looks at a terminal."""
    jobs, shown = watched(tmp_path, DONE, 600)
    assert jobs == [DONE]
    assert shown == "run  Completed  60/60  100  0.98  0.07  5.00\n"


def test_what_never_ends_is_named(tmp_path: Path) -> None:
    """With the command to look further."""
    with pytest.raises(SystemExit, match=r"had not ended after 0 s; look at `kubectl -n team-a describe tj`"):
        watched(tmp_path, NEW, 0)
