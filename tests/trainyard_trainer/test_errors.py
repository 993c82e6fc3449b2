"""Claims about the errors of the package."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import trainyard_trainer
from trainyard_api.termination import TerminationReason
from trainyard_trainer import errors
from trainyard_trainer.errors import RefusedError, TrainerError

MARKS = {"*": 0, "x": 1, "+": 2}
"""How deep in the tree a line of the docstring stands."""


def _raised_here() -> set[type[BaseException]]:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(trainyard_trainer.__path__, "trainyard_trainer.")
        if not found.name.endswith("__main__")
    ]
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return {
        each for each in classes if issubclass(each, BaseException) and each.__module__.startswith("trainyard_trainer")
    }


def test_every_error_has_the_one_base_and_its_place_in_the_tree() -> None:
    """Whoever calls the package catches one class, and reads in one docstring what there is, below what it stands."""
    found = _raised_here()
    assert all(issubclass(each, TrainerError) for each in found)
    assert errors.__doc__ is not None
    lines = [line.split() for line in errors.__doc__.splitlines()]
    above: list[str] = []
    told: dict[str, str] = {}
    for mark, name in (words[:2] for words in lines if words and words[0] in MARKS):
        above[MARKS[mark] :] = [name]
        told[name] = above[-2] if len(above) > 1 else "Exception"
    assert told == {each.__name__: each.__bases__[0].__name__ for each in found}


@pytest.mark.parametrize(
    ("field_path", "value", "text"),
    [
        ("spec.task.name", "chess", "spec.task.name: must be known; got 'chess'"),
        ("spec.task.name", None, "spec.task.name: must be known"),
        (None, "", "must be known; got ''"),
    ],
)
def test_a_refusal_names_field_rule_and_value(field_path: str | None, value: str | None, text: str) -> None:
    """Those that there are; an empty value is one."""
    refused = RefusedError(TerminationReason.UNKNOWN_TASK, "must be known", field_path=field_path, value=value)
    assert str(refused) == text
