"""Puts an algorithm together from the components that its type asks for.

Place in the data's way: station 4. A component that a type doesn't name is never made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from trainyard_api.algorithm import Algorithm as AlgorithmSpec
from trainyard_trainer.algorithms.base import Algorithm, Batch, no_batch
from trainyard_trainer.algorithms.grpo import GRPO
from trainyard_trainer.algorithms.sft import SFT
from trainyard_trainer.training.components import Components

T = TypeVar("T")


def make_algorithm(spec: AlgorithmSpec, components: Components) -> Algorithm:
    """Makes the algorithm of a run that trains, and with it the components that it asks for.

    Raises:
        RefusedError: the config names something that isn't there or doesn't fit together.
    """
    return _MAKERS[spec.type](spec, components)


def _grpo(spec: AlgorithmSpec, components: Components) -> Algorithm:
    components.check_data()
    return GRPO(
        policy=components.policy,
        longest_row=components.longest_row,
        config=_given(spec.grpo),
        rollouts=components.rollouts,
        questions=components.questions,
        rewards=components.rewards,
        seed=spec.seed,
    )


def _sft(spec: AlgorithmSpec, components: Components) -> Algorithm:
    components.check_data()
    _ = components.rollouts  # a model that no engine samples right is refused before it is trained
    return SFT(
        policy=components.policy,
        longest_row=components.longest_row,
        config=_given(spec.sft),
        questions=components.questions,
        renderer=components.renderer,
    )


BATCH_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Batch]]] = {
    "GRPO": GRPO.batch_from_state,
    "SFT": SFT.batch_from_state,
    "Evaluation": no_batch,
}
"""How each type reads the batch of a step that isn't finished."""
_MAKERS: Final[Mapping[str, Callable[[AlgorithmSpec, Components], Algorithm]]] = {"GRPO": _grpo, "SFT": _sft}


def _given(settings: T | None) -> T:
    """Returns the settings of the type that a spec names; the contract's rules make sure that they are there."""
    if settings is None:
        raise ValueError("an algorithm must have the settings of its type")
    return settings
