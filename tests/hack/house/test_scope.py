"""An expression is what its definition says that it may be."""

from __future__ import annotations

import ast

import pytest

from hack.house.members import Members
from hack.house.scope import Scope

M = "trainyard_trainer.a"
TEXT = """
class One:
    pass
class Two:
    pass
def f(one: One, many: list[Two], unknown):
    made = Two()
    with make() as opened:
        pass
    later = [each for each in many]
def make() -> One: ...
"""


@pytest.mark.parametrize(
    ("expression", "classes"),
    [
        ("one", {"One"}),
        ("made", {"Two"}),
        ("opened", {"One"}),
        ("each", {"Two"}),
        ("many[0]", {"Two"}),
        ("one or made", {"One", "Two"}),
        ("one if unknown else made", {"One", "Two"}),
        ("(other := make())", {"One"}),
        ("unknown", set()),
        ("1 + 1", set()),
    ],
)
def test_an_expression_is_an_instance_of(reader, expression: str, classes: set[str]) -> None:
    """Finds the classes of parameters, variables and calls, and none for what nothing says."""
    names = reader({"a.py": TEXT}).names
    scope = Scope(Members(names), M, None, names.defined[f"{M}:f"])
    assert scope.values(ast.parse(expression, mode="eval").body) == {f"={M}:{name}" for name in classes}


def test_a_local_name_hides_the_module_s(reader) -> None:
    """Touches nothing of the module by the name of a parameter."""
    names = reader({"a.py": "def one(): pass\ndef f(one):\n    one()\n"}).names
    node = names.defined[f"{M}:f"]
    assert f"{M}:one" not in set(Scope(Members(names), M, None, node).touched(node))
