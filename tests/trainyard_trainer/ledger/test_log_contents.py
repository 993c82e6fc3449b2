"""What a ledger of files holds whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.ledger.log_contents import read_contents
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics

STEPS = 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger of three steps of two trajectories, measured before the first and after the second."""
    log = TrajectoryLog(tmp_path)
    log.record_evaluation(StepMetrics("evaluation", 0, 0, {"answers": 1}), [trajectory(1.0)])
    for step in range(STEPS):
        both = [trajectory(1.0), trajectory(0.0, sample=1)]
        log.record_step(both, StepMetrics("step", step, step + 1, {"loss": 0.5}))
        if step == 1:
            log.record_evaluation(StepMetrics("validation", 2, 2, {"answers": 1}), [trajectory(1.0)])
    log.record_checkpoint(SavedCheckpoint(2, "file:///x/", "sha256:" + "0" * 64, 10, {}, None))
    return tmp_path


def without(folder: Path, name: str, line: int) -> None:
    """A line less."""
    path = folder / f"{name}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[line]
    path.write_bytes(b"".join(lines))


def test_a_whole_ledger_is_whole(folder: Path) -> None:
    """All its steps, both measurements, its claim; what is missing is the step that nobody has made."""
    found = read_contents(folder)
    assert (found.finished, found.faults, found.claimed) == (STEPS, (), {"file:///x/"})
    assert found.gap == f"{folder}/metrics.jsonl must have one whole line of step 3; has 0"
    assert found.measured == {("evaluation", 0), ("validation", 2)}


@pytest.mark.parametrize(
    ("name", "line", "finished", "gap"),
    [
        ("trajectories", -1, 2, "trajectories.jsonl has 1 of the 2 trajectories of step 2"),
        ("trajectories", 0, 0, "trajectories.jsonl has 1 of the 2 trajectories of step 0"),
        ("metrics", 2, 1, "metrics.jsonl must have one whole line of step 1; has 0"),
    ],
)
def test_a_step_that_lost_a_line_is_not_whole(folder: Path, name: str, line: int, finished: int, gap: str) -> None:
    """Steps before it are; steps after it aren't asked for."""
    without(folder, name, line)
    found = read_contents(folder)
    assert (found.finished, found.gap) == (finished, f"{folder}/{gap}")


def test_a_step_that_is_there_twice_is_not_whole(folder: Path) -> None:
    """Neither its metrics nor one of its trajectories."""
    trajectories, metrics = folder / "trajectories.jsonl", folder / "metrics.jsonl"
    kept = trajectories.read_bytes()
    first, *others = kept.splitlines(keepends=True)
    trajectories.write_bytes(b"".join([first, first, *others[1:]]))
    found = read_contents(folder)
    assert (found.finished, found.gap) == (0, f"{trajectories} has a trajectory of step 0 twice")
    trajectories.write_bytes(kept)
    lines = metrics.read_bytes().splitlines(keepends=True)
    metrics.write_bytes(b"".join([*lines, lines[-1]]))
    assert read_contents(folder).gap == f"{metrics} must have one whole line of step 2; has 2"


@pytest.mark.parametrize("name", ["answers", "evaluations", "metrics"])
def test_a_measurement_that_lost_a_line_is_not_whole(folder: Path, name: str) -> None:
    """Its answers, its conclusion or its numbers: it can't be concluded from."""
    without(folder, name, 0)
    assert read_contents(folder).measured == {("validation", 2)}


def test_the_line_at_fault_is_named_with_what_is_missing(folder: Path) -> None:
    """And a file that isn't there, or is a folder."""
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[3:]]))
    said = f"{path} must have one whole line of step 1; has 0, and line 3 isn't JSON (Expecting value, column 1)"
    assert read_contents(folder).gap == said
    path.unlink()
    assert read_contents(folder).gap == f"there is no file {path}"
    path.mkdir()
    assert read_contents(folder).gap.endswith("has 0, and is no file; must be one, with an object to a line")


def test_a_step_that_does_not_say_how_many_trajectories_it_has_is_not_whole(folder: Path) -> None:
    """Nothing else would tell that one is lost."""
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.pop("trajectories") for line in lines] == [1, 2, 2, 1, 2]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_contents(folder)
    assert found.finished == 0
    assert len(found.faults) == len(lines)
