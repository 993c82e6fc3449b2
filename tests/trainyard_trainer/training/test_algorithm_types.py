"""Every type of a manifest has a plan and a way to read its batch; those that train can be made."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_api.algorithm import Algorithm
from trainyard_trainer.algorithms.grpo import GRPO
from trainyard_trainer.algorithms.plan import plan_of
from trainyard_trainer.algorithms.sft import SFT
from trainyard_trainer.training.algorithm_types import BATCH_READERS


@pytest.mark.parametrize(("kind", "made"), [("GRPO", GRPO), ("SFT", SFT)])
def test_a_type_that_trains_is_made_of_the_run_s_components(kind: str, made: type) -> None:
    """With the steps that its plan says."""
    config = small.config(kind)
    algorithm = small.algorithm(Outside(), config)
    assert isinstance(algorithm, made)
    assert algorithm.steps == plan_of(config.algorithm).steps == 2


def test_every_type_reads_its_batch() -> None:
    """One that is never left between two updates refuses whatever it is given."""
    types = Algorithm.model_fields["type"].annotation.__args__
    assert set(BATCH_READERS) == set(types)
    for kind in ("SFT", "Evaluation"):
        with pytest.raises(ValueError, match="must hold no batch of an unfinished step"):
            BATCH_READERS[kind]({"step": 1})
