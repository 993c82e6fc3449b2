"""Claims about the errors of the package."""

from __future__ import annotations

import importlib
import pkgutil

import trainyard_operator
from trainyard_operator import errors
from trainyard_operator.errors import TrainyardOperatorError


def _raised_here() -> set[type[BaseException]]:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(trainyard_operator.__path__, "trainyard_operator.")
        if not found.name.endswith("__main__")
    ]
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return {
        each for each in classes if issubclass(each, BaseException) and each.__module__.startswith("trainyard_operator")
    }


def test_every_error_has_the_one_base_and_a_place_in_the_tree() -> None:
    """Whoever calls the package catches one class, and reads in one docstring what there is."""
    found = _raised_here()
    assert all(issubclass(each, TrainyardOperatorError) for each in found)
    assert errors.__doc__ is not None
    lines = [line.split() for line in errors.__doc__.splitlines()]
    assert {words[1] for words in lines if words and words[0] in {"*", "x", "+"}} == {each.__name__ for each in found}
