"""What a demo shows at its end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from hack.cluster.state import ClusterState
from hack.demo import show
from hack.demo.phases import Story
from hack.kubectl import Kubectl
from tests.hack.programs import Program


@pytest.fixture
def story() -> Story:
    """One that nobody reads."""
    return Story(Console(file=io.StringIO(), soft_wrap=True))


def bound(folder: Path) -> Kubectl:
    """Programs of a folder."""
    return Kubectl(ClusterState(folder / "kubeconfig", "there", "", folder, "local", ""))


def test_objects_are_shown_under_the_command_that_shows_them(tmp_path: Path, story: Story) -> None:
    """A reader can repeat it."""
    Program(tmp_path, "kubectl", says="NAME\nrun\n")
    show.show_objects(bound(tmp_path), "team-a", story)
    assert story.transcript[:3] == ["$ kubectl get trainingjobs -n team-a", "NAME\nrun", ""]
    assert story.transcript[3] == "$ kubectl get checkpoints -n team-a"


def test_cost_is_what_was_settled_beside_the_budget(story: Story) -> None:
    """As the status has it, to the cent."""
    job = {"metadata": {"name": "run"}, "status": {"cost": {"settledUSD": "0.07"}, "budget": {"limitUSD": "5.00"}}}
    show.show_cost([job], story)
    assert story.transcript == ["cost of run: $0.07 of a budget of $5.00"]


def test_the_way_on_is_said_and_not_kept(tmp_path: Path, story: Story) -> None:
    """Paths of this machine have no place in the README."""
    show.show_next(bound(tmp_path), "team-a", story)
    assert story.transcript == []
    assert str(tmp_path / "kubeconfig") in story.console.file.getvalue()  # type: ignore[attr-defined]
