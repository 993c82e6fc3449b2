"""The demo's own checks fail where there is nothing to check."""

from __future__ import annotations

from typing import Any

import pytest

from hack.demo.checks import CheckError, checkpoints_of

JOB = {
    "metadata": {"name": "calculator-grpo", "uid": "u-1"},
    "spec": {"algorithm": {"type": "GRPO", "grpo": {"steps": 60}}},
}


def checkpoint(uid: str, step: int) -> dict[str, Any]:
    """A Checkpoint of a run."""
    return {"status": {"trainingJobRef": {"name": "calculator-grpo", "uid": uid}, "step": step}}


def test_a_jobs_checkpoints_are_those_of_its_uid() -> None:
    """Those of an earlier run of the same name are left out."""
    own = [checkpoint("u-1", 20), checkpoint("u-1", 60)]
    assert checkpoints_of([JOB], [checkpoint("u-0", 60), *own]) == own


@pytest.mark.parametrize("stored", [[], [checkpoint("u-0", 60)], [checkpoint("u-1", 20)]])
def test_a_job_without_its_last_checkpoint_fails_the_demo(stored: list[dict[str, Any]]) -> None:
    """To check each of none is to check nothing."""
    with pytest.raises(CheckError, match="calculator-grpo has no Checkpoint of its last step, 60"):
        checkpoints_of([JOB], stored)
