"""What algorithms with a policy share: their state is the policy's, and comes back from a checkpoint to the bit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainyard_trainer.policies import ROWS, policy, weights, write
from trainyard_trainer.algorithms.base import PolicyAlgorithm, no_batch
from trainyard_trainer.algorithms.sft import SFT_LOSS


def trained(updates: int) -> PolicyAlgorithm:
    """An algorithm whose policy has had that many updates."""
    chosen = policy()
    for _ in range(updates):
        chosen.update(ROWS, SFT_LOSS)
    return PolicyAlgorithm(policy=chosen, longest_row=40)


def test_the_version_is_the_policys() -> None:
    """One for each update that was made."""
    assert [trained(updates).version for updates in (0, 2)] == [0, 2]


def test_a_snapshot_restores_weights_and_optimizer(tmp_path: Path) -> None:
    """The next update of both ends in the same weights; what the loop adds to the state is kept beside."""
    first, second = trained(2), trained(0)
    snapshot = first.snapshot(3, {"loss": "0.5"}, updates=1, more={"position": {"step": 3}}, final=False)
    assert (snapshot.step, snapshot.updates, snapshot.policy_version) == (3, 1, 2)
    assert dict(snapshot.metrics) == {"loss": "0.5"}
    state = dict(snapshot.trainer_state)
    assert state.pop("position") == {"step": 3}
    second.restore(write(snapshot, tmp_path), state)
    assert second.version == 2
    for one in (first, second):
        one.policy.update(ROWS, SFT_LOSS)
    assert torch.equal(weights(first.policy), weights(second.policy))


@dataclass
class Told:
    """A policy that only keeps what it was asked."""

    asked: list[Any] = field(default_factory=list)

    def prepare(self, longest_row: int) -> None:
        self.asked.append(longest_row)

    def snapshot(self, *_: Any, final: bool, **__: Any) -> None:
        self.asked.append(final)


def test_the_policy_is_told_its_longest_row_and_which_snapshot_is_the_last() -> None:
    """Only the last is made for use without its run."""
    told: Any = Told()
    algorithm = PolicyAlgorithm(policy=told, longest_row=40)
    algorithm.prepare()
    for final in (False, True):
        algorithm.snapshot(1, {}, updates=None, more={}, final=final)
    assert told.asked == [40, False, True]


def test_a_type_whose_steps_have_one_update_takes_no_batch() -> None:
    """One in a checkpoint is another type's, and the refusal says what it has."""
    with pytest.raises(ValueError, match="outcomes"):
        no_batch({"step": 1, "outcomes": []})
