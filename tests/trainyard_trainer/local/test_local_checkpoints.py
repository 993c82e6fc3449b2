"""Checkpoints below the output folder are found by the names that a cluster would give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainyard_trainer.saved_models import save_checkpoint
from trainyard_api.model_source import CheckpointSource
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.local_checkpoints import find_checkpoint, find_named


def test_a_name_finds_its_checkpoint(tmp_path: Path) -> None:
    """Of several jobs, steps, and states in the middle of a step."""
    saved = {step: save_checkpoint(tmp_path, "a", "11111-x", step) for step in (1, 2)}
    middle = save_checkpoint(tmp_path, "a", "11111-x", 2, 3)
    other = save_checkpoint(tmp_path, "b", "22222-x", 2)
    find = lambda name: find_named(name, "team-a", tmp_path, "spec.x").uri  # noqa: E731 (four calls of one line)
    assert find("a-11111-1-1") == saved[1].uri
    assert find("a-11111-1-2") == saved[2].uri
    assert find("a-11111-1-2u3") == middle.uri
    assert find("b-22222-1-2") == other.uri
    assert find_checkpoint(CheckpointSource(name="b-22222-1-2"), "team-a", Path("x.yaml"), tmp_path).uri == other.uri


def test_a_name_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    """With the field that named it."""
    save_checkpoint(tmp_path, "a", "11111-x", 1)
    with pytest.raises(RefusedError, match="there are: a-11111-1-1; got 'c'") as refused:
        find_named("c", "team-a", tmp_path, "spec.evaluation.baseline.checkpoint")
    assert refused.value.reason is TerminationReason.CHECKPOINT_NOT_FOUND
    assert refused.value.field_path == "spec.evaluation.baseline.checkpoint"
    with pytest.raises(RefusedError, match="there are: none"):
        find_named("c", "team-b", tmp_path, "spec.x")
