"""From names in the manifest to code: tasks and rewards of the user's module, or of the image's packages.

Place in the data's way: station 4. A name is looked up in the module first, then among the entry points, where the
built-in ones stand too. Unknown names and options are refused with those that are known, before any work. Rewards of a
user are never imported here but by the worker that calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, cast

from trainyard_api.names import REWARD_ENTRY_POINTS, TASK_ENTRY_POINTS
from trainyard_api.task import RewardTerm, TaskSpec
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.worker_process import RewardWorker
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.user_code import (
    AttributeUnreadableError,
    ModuleError,
    explain,
    file_of,
    import_file,
    place_of,
    public_names,
    read_attribute,
    shown,
    unfit_signature,
)

_OWN_PACKAGE = "trainyard_trainer."
_ATTRIBUTES = ("dialogue", "tools", "tool_format", "alphabet", "stop_texts", "max_turn_tokens", "accepts_data")
_METHODS = {"question": 1, "demonstration": 2, "environment": 0}
"""What a task must have, with the number of arguments that each is called with."""
_ABSENT: Final = object()


def make_task(spec: TaskSpec, module: Path | None = None) -> Task:
    """Makes the task that a manifest names, with its options.

    Args:
        spec: names it.
        module: file of the user's module; None without one.

    Raises:
        RefusedError: UNKNOWN_TASK, UNKNOWN_OPTION, INVALID_OPTION; INVALID_MANIFEST where the module is broken.
    """
    task_class, where = _find_task(spec.name, module)
    _require_task(task_class, where, spec.name)
    known = _option_names(task_class, where, spec.name)
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
    except BaseException as error:
        why = explain(error, file_of(task_class), str(module), place=place_of(task_class))
        raise _no_task(f"{where} can't be made; {why}", spec.name) from error
    _require_attributes(task, where, spec.name)
    return cast("Task", task)


def load_rewards(
    terms: Sequence[RewardTerm], module: Path | None = None, interrupted: Callable[[], bool] = lambda: False
) -> tuple[WeightedReward, ...]:
    """Loads the rewards that a manifest names, in its order.

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
        _require_loaded(found, terms, module)
        rewards = tuple(_weighted(term, index, points, worker, found) for index, term in enumerate(terms))
    except BaseException:
        worker.close()
        raise
    if all(reward.caller is None for reward in rewards):
        worker.close()
    return rewards


def _require_loaded(found: Mapping[str, Any], terms: Sequence[RewardTerm], module: Path | None) -> None:
    """Refuses a module that is broken, and a package that ends the worker's process."""
    if "module" in found:
        raise _broken_module(module, str(found["module"]))
    if "died" in found:
        index = [term.name for term in terms].index(found["died"])
        raise _no_reward(str(found["problem"]), index, found["died"])


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
        raise _no_reward(str(problem), index, term.name)
    return WeightedReward(term.name, weight, path, caller=worker, timeout_seconds=seconds)


def _find_task(name: str, module: Path | None) -> tuple[Any, str]:
    """Finds what has that name, and says where it stands."""
    has: list[str] | None = None
    if module is not None:
        try:
            loaded = import_file(module)
        except ModuleError as error:
            raise _broken_module(module, str(error)) from error
        value = _read(loaded, name, str(module), name, _ABSENT)
        if value is not _ABSENT:
            return value, f"{name} of {module}"
        has = public_names(loaded)
    points = _points(TASK_ENTRY_POINTS)
    if name not in points:
        raise _no_task(_unknown(TASK_ENTRY_POINTS, points, has), name)
    where = f"its entry point {points[name].value}"
    try:
        return points[name].load(), where
    except BaseException as error:
        raise _no_task(f"{where} can't be imported; {explain(error)}", name) from error


def _require_task(found: Any, where: str, name: str) -> None:
    """Refuses what isn't a class with a task's methods."""
    if not callable(found):
        raise _no_task(f"{where} isn't callable, so no task", name)
    for method, arguments in _METHODS.items():
        function = _read(found, method, where, name)
        if function is None or function is getattr(Task, method):
            raise _no_task(f"{where} must be a class with the method {method}", name)
        if (takes := unfit_signature(function, arguments + 1)) is not None:
            raise _no_task(f"{where} must take {arguments} arguments in {method}, not {takes}", name)


def _option_names(found: Any, where: str, name: str) -> tuple[str, ...]:
    names = _read(found, "option_names", where, name, ())
    if type(names) not in (tuple, list, set, frozenset) or not all(issubclass(type(one), str) for one in names):
        raise _no_task(f"{where} must have a tuple of texts as its option_names, not {shown(names)}", name)
    return tuple(map(str.__str__, names))


def _require_attributes(task: Any, where: str, name: str) -> None:
    """Refuses a task that lacks what the loop reads, or says another kind of dialogue."""
    found = {attribute: _read(task, attribute, where, name, _ABSENT) for attribute in _ATTRIBUTES}
    for attribute, value in found.items():
        if value is _ABSENT:
            rule = (
                f"{where} must have the attribute {attribute}; a class derived from {Task.__module__}.Task inherits it"
            )
            raise _no_task(rule, name)
    dialogue = found["dialogue"]
    if not issubclass(type(dialogue), str) or str.__str__(dialogue) not in ("text", "chat"):
        raise _no_task(f"{where} must have text or chat as its dialogue, not {shown(dialogue)}", name)


def _read(thing: Any, attribute: str, where: str, name: str, default: Any = None) -> Any:
    """Reads an attribute of a user's module, class or task, which may be a property that raises."""
    try:
        return read_attribute(thing, attribute, default)
    except AttributeUnreadableError as error:
        raise _no_task(f"{where}: {error}", name) from error


def _points(group: str) -> dict[str, EntryPoint]:
    try:
        return {point.name: point for point in entry_points(group=group)}
    except BaseException as error:  # whatever a package's broken metadata makes the library raise
        rule = f"the entry points of the image's packages can't be read; {explain(error)}"
        reason = TerminationReason.UNKNOWN_TASK if group == TASK_ENTRY_POINTS else TerminationReason.UNKNOWN_REWARD
        raise RefusedError(reason, rule, field_path="spec.task") from error


def _is_built_in(point: EntryPoint | None) -> bool:
    return point is not None and point.value.startswith(_OWN_PACKAGE)


def _unknown(group: str, points: Iterable[str], module_has: Sequence[str] | None) -> str:
    has = "" if module_has is None else f", or be defined by the module, which has {_listed(module_has)}"
    return f"must be an entry point of group {group}: {_listed(sorted(points))}{has}"


def _no_task(rule: str, name: str) -> RefusedError:
    return RefusedError(TerminationReason.UNKNOWN_TASK, rule, field_path="spec.task.name", value=name)


def _no_reward(rule: str, index: int, name: str) -> RefusedError:
    path = f"spec.task.rewards[{index}].name"
    return RefusedError(TerminationReason.UNKNOWN_REWARD, rule, field_path=path, value=name)


def _broken_module(module: Path | None, problem: str) -> RefusedError:
    value = module.name if module else None
    return RefusedError(TerminationReason.INVALID_MANIFEST, problem, field_path="spec.task.module.key", value=value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
