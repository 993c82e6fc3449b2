"""Which checkpoints the rows of a ledger reach."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.trainyard_trainer.run_configs import run_config
from tests.trainyard_trainer.saved_models import save_checkpoint
from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.evaluation.early_stopping import ValidationHistory
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.local.local_recovery import Recovery
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.training.train_state import TrainState

GRPO = {"type": "GRPO", "grpo": {"steps": 9, "promptsPerStep": 1, "groupSize": 2}}
EVALUATION = {"questions": 9, "validation": {"everySteps": 2, "questions": 3}}
BEFORE = {"values": {}, "outcomes": []}


def ledger(folder: Path, steps: int, *measured: tuple[str, int]) -> TrajectoryLog:
    """A ledger of so many steps, and of these measurements."""
    log = TrajectoryLog(folder)
    for kind, step in measured:
        log.record_evaluation(StepMetrics(kind, step, step, {}), [trajectory(1.0)])
    for step in range(steps):
        both = [trajectory(1.0), trajectory(0.0, sample=1)]
        log.record_step(both, StepMetrics("step", step, step + 1, {}))
    return log


def recovery(log: TrajectoryLog, **changes: Any) -> Recovery:
    """Of a run with rollouts."""
    return Recovery(log, run_config(GRPO, **changes), lambda _: None)


def test_rows_reach_as_far_as_there_are_whole_steps(tmp_path: Path) -> None:
    """A state after them lacks what is named, before anything of it is fetched."""
    asked = recovery(ledger(tmp_path, 3))
    assert [asked.lacks(step, None) is None for step in range(5)] == [True, True, True, True, False]
    assert asked.lacks(4, None) == f"{tmp_path}/metrics.jsonl must have one whole line of step 3; has 0"
    assert asked.lacks(3, TrainState(step=3)) is None


def test_what_a_position_says_was_measured_must_be_there(tmp_path: Path) -> None:
    """It isn't measured again; what it doesn't say will be, so that needs no row."""
    log = ledger(tmp_path, 5, ("evaluation", 0), ("validation", 2))
    asked = recovery(log, evaluation=EVALUATION)
    seen = {last: ValidationHistory(last_step=last) for last in (None, 2, 4)}
    assert asked.lacks(4, TrainState(step=4, before=BEFORE, validation=seen[2])) is None, (
        "a stop came into its validation"
    )
    assert asked.lacks(5, TrainState(step=5, before=BEFORE, validation=seen[4])) == (
        "the measurement 'validation' after 4 steps, or an answer of it, isn't in the ledger"
    )
    bare = recovery(ledger(tmp_path / "bare", 1), evaluation=EVALUATION)
    assert bare.lacks(1, TrainState(step=1, before=None)) is None, "it is measured when the run goes on"
    assert "'evaluation' after 0 steps" in bare.lacks(1, TrainState(step=1, before=BEFORE))


def test_a_ledger_that_can_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may still be whole isn't made again."""
    log = ledger(tmp_path, 1)

    def forbidden(path: Path, *_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(RefusedError, match=r"must be a file that can be read \(Permission denied\)") as refused:
        recovery(log)
    assert refused.value.value == str(tmp_path / "trajectories.jsonl")


def test_checkpoints_that_nobody_claimed_are_claimed_once(tmp_path: Path) -> None:
    """Oldest first; those of other runs, and those that aren't committed, aren't."""
    output = tmp_path / "out"
    saved = [save_checkpoint(output, "small", "run-1", step) for step in (1, 2, 3)]
    other = save_checkpoint(output, "small", "run-2", 9)
    prefix = "team-a/small/run-1/"
    Path(output / "team-a/small/run-2").rename(output / prefix / "copied")
    log = TrajectoryLog(output / prefix)
    log.record_checkpoint(saved[1])
    for _ in range(2):
        recovery(log).claim(FolderStorage(output), prefix)
        claimed = log.contents().claimed
        assert claimed == {one.uri for one in saved}
    lines = (output / prefix / "checkpoints.jsonl").read_text().splitlines()
    assert [f"step-{step}-" in line for step, line in zip((2, 1, 3), lines, strict=True)] == [True] * 3
    assert other.uri not in claimed
