"""What a definition names is followed as far as annotations tell, and no further."""

from __future__ import annotations

import pytest

T = "trainyard_trainer"
ENGINE = """
from typing import Protocol
class Engine(Protocol):
    def go(self) -> None: ...
class Fast:
    def go(self) -> None: ...
    def extra(self) -> None: ...
class Other:
    def stay(self) -> None: ...
"""
WAYS = {
    "a call": ("from {T}.engine import Fast\ndef f():\n    Fast()\n", "Fast"),
    "an import inside": ("def f():\n    from {T}.engine import Fast\n    Fast()\n", "Fast"),
    "a module's attribute": ("from {T} import engine\ndef f():\n    engine.Fast()\n", "Fast"),
    "a parameter": ("from {T}.engine import Engine\ndef f(engine: Engine):\n    engine.go()\n", "Engine.go"),
    "what may be none": ("from {T}.engine import Fast\ndef f(e: 'Fast | None'):\n    e.go()\n", "Fast.go"),
    "a variable": ("from {T}.engine import Fast\ndef f():\n    e = Fast()\n    e.go()\n", "Fast.go"),
    "elements": ("from {T}.engine import Fast\ndef f(es: list[Fast]):\n    for e in es:\n        e.go()\n", "Fast.go"),
    "a result": (
        "from {T}.engine import Fast\ndef make() -> Fast: ...\ndef f():\n    make().go()\n",
        "Fast.go",
    ),
    "a field": (
        "from {T}.engine import Fast\nclass P:\n    engine: Fast\ndef f(p: P):\n    p.engine.go()\n",
        "Fast.go",
    ),
    "a property": (
        "import {T}.engine as x\nclass P:\n    @property\n    def e(self) -> x.Fast: ...\ndef f(p: P):\n    p.e.go()\n",
        "Fast.go",
    ),
}


@pytest.mark.parametrize("what", WAYS)
def test_a_reader_follows(reader, what: str) -> None:
    """Leads from a function to the member that it uses."""
    text, member = WAYS[what]
    found = reader({"engine.py": ENGINE, "user.py": text.replace("{T}", T)}).named_by(f"{T}.user:f")
    assert f"{T}.engine:{member}" in found


def test_a_field_that_init_sets_is_followed_in_methods(reader) -> None:
    """Leads from `self._engine.go()` to the class that `__init__` was given."""
    text = f"from {T}.engine import Fast\nclass P:\n    def __init__(self, e: Fast) -> None:\n        self._e = e\n"
    text += "    def m(self):\n        self._e.go()\n"
    assert f"{T}.engine:Fast.go" in reader({"engine.py": ENGINE, "user.py": text}).named_by(f"{T}.user:P.m")


def test_a_protocol_s_method_leads_to_those_who_have_all_its_methods(reader) -> None:
    """Leads to an implementation, and not to another class."""
    assert reader({"engine.py": ENGINE}).named_by(f"{T}.engine:Engine.go") == [f"{T}.engine:Fast.go"]


def test_what_nothing_says_is_not_followed(reader) -> None:
    """Leads nowhere from a parameter without annotation, even where a method has the name."""
    assert reader({"engine.py": ENGINE, "user.py": "def f(e):\n    e.go()\n"}).named_by(f"{T}.user:f") == []
