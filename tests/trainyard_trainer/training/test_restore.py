"""A state that this trainer can't take is refused by name; want of memory is nobody's layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.policies import policy
from trainyard_trainer.checkpoints.resumable import UnreadableError
from trainyard_trainer.training.restore import restore
from trainyard_trainer.training.train_state import TrainState


@pytest.mark.parametrize("lost", ["optimizer", "policy_version", "slots"])
def test_a_policy_s_state_of_another_layout_is_refused_by_name(tmp_path: Path, lost: str) -> None:
    """Not with the KeyError of whoever missed it first."""
    chosen = policy()
    snapshot = chosen.snapshot(3, {}, more={"position": TrainState(step=3).to_state()})
    resumed = small.resumed(snapshot, tmp_path)
    assert restore(small.algorithm(small.Outside()), resumed).step == 3
    state = {name: part for name, part in snapshot.trainer_state.items() if name != lost}
    torch.save(state, tmp_path / "trainer_state.pt")
    with pytest.raises(UnreadableError, match=rf"can read \(KeyError: '{lost}'\), for") as refused:
        restore(small.algorithm(small.Outside()), resumed)
    assert refused.value.uri == resumed.saved.uri


def test_want_of_memory_is_no_fault_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the attempt as a crash, after which the same checkpoint is tried again."""
    chosen = policy()
    resumed = small.resumed(chosen.snapshot(3, {}, more={"position": TrainState(step=3).to_state()}), tmp_path)
    for error in (MemoryError, torch.OutOfMemoryError, OSError):

        def failing(*_: object, error: type[Exception] = error) -> None:
            raise error

        trained = small.algorithm(small.Outside())
        monkeypatch.setattr(trained.policy, "load_state", failing)
        with pytest.raises(error):
            restore(trained, resumed)
