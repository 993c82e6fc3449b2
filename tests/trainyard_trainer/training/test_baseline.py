"""What is refused of a baseline names the baseline's field."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainyard_trainer.run_configs import run_config
from trainyard_api.run_config import Folder, PinnedCheckpoint, RunStorage
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.training.baseline import at_baseline, baseline_config, fetch_baseline

CONFIG = run_config({"type": "Evaluation"})


def test_a_run_without_a_baseline_fetches_none(tmp_path: Path) -> None:
    """Nothing is made in the cache either."""
    assert fetch_baseline(CONFIG, None, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_missing_baseline_is_refused_with_its_own_field(tmp_path: Path) -> None:
    """It is fetched as a model is; the words are the same."""
    pinned = PinnedCheckpoint(
        uri=f"{tmp_path.as_uri()}/step-1-abc/",
        digest="sha256:" + "0" * 64,
        storage=RunStorage(folder=Folder(directory=str(tmp_path))),
    )
    asked = CONFIG.model_copy(update={"baseline": pinned})
    with pytest.raises(RefusedError) as refusal:
        fetch_baseline(asked, None, tmp_path / "cache")
    assert refusal.value.reason is TerminationReason.CHECKPOINT_NOT_FOUND
    assert refusal.value.field_path == "spec.evaluation.baseline.checkpoint"
    assert baseline_config(asked).model.checkpoint == pinned


def test_other_refusals_keep_their_field() -> None:
    """A task that isn't there isn't the baseline's fault."""
    with pytest.raises(RefusedError) as refusal, at_baseline():
        raise RefusedError(TerminationReason.UNKNOWN_TASK, "x", field_path="spec.task.name")
    assert refusal.value.field_path == "spec.task.name"
