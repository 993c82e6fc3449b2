"""From names in the manifest to code: tasks and rewards that the image's packages register as entry points.

Place in the data's way: station 4. Unknown names and options are refused with those that are known, before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from trainyard_api.names import REWARD_ENTRY_POINTS, TASK_ENTRY_POINTS
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job_spec import RewardTerm, TaskSpec
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.trajectory import Trajectory

RewardFunction = Callable[[Trajectory], float]


@dataclass(frozen=True, slots=True)
class WeightedReward:
    """A reward function with its factor in the sum, and the manifest's field that named it."""

    name: str
    weight: float
    function: RewardFunction
    field_path: str


def make_task(spec: TaskSpec) -> Task:
    """The task that a manifest names, with its options.

    Raises:
        RefusedError: UNKNOWN_TASK, UNKNOWN_OPTION, INVALID_OPTION.
    """
    task_class = _load(TASK_ENTRY_POINTS, spec.name, TerminationReason.UNKNOWN_TASK, "spec.task.name")
    for name, value in spec.options.items():
        if name not in task_class.option_names:
            raise RefusedError(
                TerminationReason.UNKNOWN_OPTION,
                f"task {spec.name} has no such option; it knows {_listed(task_class.option_names)}",
                field_path=f"spec.task.options.{name}",
                value=value,
            )
    return cast("Task", task_class(dict(spec.options)))


def load_rewards(terms: Sequence[RewardTerm]) -> tuple[WeightedReward, ...]:
    """The rewards that a manifest names, in its order.

    Raises:
        RefusedError: UNKNOWN_REWARD.
    """
    rewards = []
    for index, term in enumerate(terms):
        path = f"spec.task.rewards[{index}].name"
        function = _load(REWARD_ENTRY_POINTS, term.name, TerminationReason.UNKNOWN_REWARD, path)
        rewards.append(WeightedReward(term.name, float(term.weight), function, path))
    return tuple(rewards)


def _load(group: str, name: str, reason: TerminationReason, path: str) -> Any:
    known = {point.name: point for point in entry_points(group=group)}
    point: EntryPoint | None = known.get(name)
    if point is None:
        raise RefusedError(
            reason, f"must be an entry point of group {group}: {_listed(sorted(known))}", field_path=path, value=name
        )
    try:
        found = point.load()
    except Exception as error:
        raise RefusedError(
            reason,
            f"its entry point {point.value} can't be imported; {type(error).__name__}: {error}",
            field_path=path,
            value=name,
        ) from error
    if not callable(found):
        raise RefusedError(reason, f"its entry point {point.value} isn't callable", field_path=path, value=name)
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
