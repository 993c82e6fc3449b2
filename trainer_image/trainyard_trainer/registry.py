"""From names in the manifest to code: tasks and rewards of the user's module, or of the image's packages.

Place in the data's way: station 4. A name is looked up in the module first, then among the entry points, where the
built-in ones stand too. Unknown names and options are refused with those that are known, before any work. Rewards of a
user are never imported here but by the worker that calls them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from trainyard_api.names import REWARD_ENTRY_POINTS, TASK_ENTRY_POINTS
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job_spec import RewardTerm, TaskSpec
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.worker_process import RewardWorker
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.user_code import ModuleError, explain, import_file, public_names

_OWN_PACKAGE = "trainyard_trainer."
_ATTRIBUTES = ("dialogue", "tools", "tool_format", "alphabet", "stop_texts", "max_turn_tokens", "accepts_data")
_METHODS = {"question": 1, "demonstration": 2, "environment": 0}
"""What a task must have, with the number of arguments that each is called with."""


def make_task(spec: TaskSpec, module: Path | None = None) -> Task:
    """The task that a manifest names, with its options.

    Args:
        spec: names it.
        module: file of the user's module; None without one.

    Raises:
        RefusedError: UNKNOWN_TASK, UNKNOWN_OPTION, INVALID_OPTION; INVALID_MANIFEST where the module is broken.
    """
    task_class, where = _find_task(spec.name, module)
    _require_task(task_class, where, spec.name)
    known = tuple(getattr(task_class, "option_names", ()))
    for name, value in spec.options.items():
        if name not in known:
            raise RefusedError(
                TerminationReason.UNKNOWN_OPTION,
                f"task {spec.name} has no such option; it knows {_listed(known)}",
                field_path=f"spec.task.options.{name}",
                value=value,
            )
    try:
        task = task_class(dict(spec.options))
    except RefusedError:
        raise
    except (Exception, SystemExit) as error:
        raise _no_task(f"{where} can't be made; {explain(error)}", spec.name) from error
    _require_attributes(task, where, spec.name)
    return cast("Task", task)


def load_rewards(
    terms: Sequence[RewardTerm], module: Path | None = None, interrupted: Callable[[], bool] = lambda: False
) -> tuple[WeightedReward, ...]:
    """The rewards that a manifest names, in its order.

    Built-in ones are called in this process, those of a user in a worker, which is started here.

    Args:
        terms: name them.
        module: file of the user's module; None without one.
        interrupted: asked while the worker is waited for; True means that a stop was asked for.

    Raises:
        RefusedError: UNKNOWN_REWARD; INVALID_MANIFEST where the module is broken.
    """
    points = _points(REWARD_ENTRY_POINTS)
    foreign = [term.name for term in terms if module or (term.name in points and not _is_built_in(points[term.name]))]
    worker = RewardWorker(foreign, module, interrupted)
    try:
        found = worker.load() if foreign else {}
        if "module" in found:
            raise _broken_module(module, str(found["module"]))
        rewards = tuple(_weighted(term, index, points, worker, found) for index, term in enumerate(terms))
    except RefusedError:
        worker.close()
        raise
    if all(reward.caller is None for reward in rewards):
        worker.close()
    return rewards


def _weighted(
    term: RewardTerm, index: int, points: Mapping[str, EntryPoint], worker: RewardWorker, found: Mapping[str, Any]
) -> WeightedReward:
    path = f"spec.task.rewards[{index}].name"
    there = found.get("found", {}).get(term.name, {"in_module": False, "problem": None})
    weight, seconds = float(term.weight), float(term.timeout_seconds)
    if not there["in_module"] and _is_built_in(points.get(term.name)):
        function = points[term.name].load()
        return WeightedReward(term.name, weight, path, function=function, timeout_seconds=seconds)
    problem = there["problem"]
    if not there["in_module"] and term.name not in points:
        problem = _unknown(REWARD_ENTRY_POINTS, points, found.get("module_has"))
    if problem:
        raise RefusedError(TerminationReason.UNKNOWN_REWARD, str(problem), field_path=path, value=term.name)
    return WeightedReward(term.name, weight, path, caller=worker, timeout_seconds=seconds)


def _find_task(name: str, module: Path | None) -> tuple[Any, str]:
    """A thing of that name, and where it stands."""
    has: list[str] | None = None
    if module is not None:
        try:
            loaded = import_file(module)
        except ModuleError as error:
            raise _broken_module(module, str(error)) from error
        if hasattr(loaded, name):
            return getattr(loaded, name), f"{name} of {module}"
        has = public_names(loaded)
    points = _points(TASK_ENTRY_POINTS)
    if name not in points:
        raise _no_task(_unknown(TASK_ENTRY_POINTS, points, has), name)
    where = f"its entry point {points[name].value}"
    try:
        return points[name].load(), where
    except (Exception, SystemExit) as error:
        raise _no_task(f"{where} can't be imported; {explain(error)}", name) from error


def _require_task(found: Any, where: str, name: str) -> None:
    """Refuse what isn't a class with a task's methods."""
    if not callable(found):
        raise _no_task(f"{where} isn't callable, so no task", name)
    for method, arguments in _METHODS.items():
        function = getattr(found, method, None)
        if function is None or function is getattr(Task, method):
            raise _no_task(f"{where} must be a class with the method {method}", name)
        try:
            inspect.signature(function).bind(*[None] * (arguments + 1))
        except TypeError as error:
            rule = f"{where} must take {arguments} arguments in {method}, not {inspect.signature(function)}"
            raise _no_task(rule, name) from error


def _require_attributes(task: Any, where: str, name: str) -> None:
    """Refuse a task that lacks what the loop reads, or says another kind of dialogue."""
    for attribute in _ATTRIBUTES:
        if not hasattr(task, attribute):
            rule = (
                f"{where} must have the attribute {attribute}; a class derived from {Task.__module__}.Task inherits it"
            )
            raise _no_task(rule, name)
    if task.dialogue not in ("text", "chat"):
        raise _no_task(f"{where} must have text or chat as its dialogue, not {task.dialogue!r}", name)


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _is_built_in(point: EntryPoint | None) -> bool:
    return point is not None and point.value.startswith(_OWN_PACKAGE)


def _unknown(group: str, points: Iterable[str], module_has: Sequence[str] | None) -> str:
    has = "" if module_has is None else f", or be defined by the module, which has {_listed(module_has)}"
    return f"must be an entry point of group {group}: {_listed(sorted(points))}{has}"


def _no_task(rule: str, name: str) -> RefusedError:
    return RefusedError(TerminationReason.UNKNOWN_TASK, rule, field_path="spec.task.name", value=name)


def _broken_module(module: Path | None, problem: str) -> RefusedError:
    value = module.name if module else None
    return RefusedError(TerminationReason.INVALID_MANIFEST, problem, field_path="spec.task.module.key", value=value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
