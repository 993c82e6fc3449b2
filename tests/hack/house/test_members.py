"""Members and results are those that annotations and bases tell."""

from __future__ import annotations

import ast

from hack.house.members import Members

M = "trainyard_trainer.a"
TEXT = """
class Base:
    size: int
    def go(self) -> 'Other | None': ...
class Other(Base):
    def __call__(self) -> list[Base]: ...
"""


def members(reader) -> Members:
    """Returns the members of a planted module."""
    return Members(reader({"a.py": TEXT}).names)


def test_a_member_may_be_a_base_s(reader) -> None:
    """Finds methods and fields of the bases, of a class and of its instances, and no others."""
    found = members(reader)
    assert found.member(f"={M}:Other", "go") == found.member(f"{M}:Other", "go") == {f"{M}:Base.go"}
    assert found.member(f"={M}:Other", "size") == {f"{M}:Base.size"}
    assert found.member(f"={M}:Base", "stay") == set()
    assert list(found.line(f"{M}:Other")) == [f"{M}:Other", f"{M}:Base"]


def test_a_call_gives_what_is_annotated(reader) -> None:
    """Makes an instance of a class, and takes a function's, a method's or an instance's result."""
    found = members(reader)
    assert found.result(f"{M}:Base") == {f"={M}:Base"}
    assert found.result(f"{M}:Base.go") == {f"={M}:Other"}
    assert found.result(f"={M}:Other") == {f"={M}:Base"}
    assert found.result("nothing") == set()


def test_strings_that_are_no_annotations_are_passed_over(reader) -> None:
    """Finds no class in a Literal's words."""
    annotation = ast.parse("Literal['no class', 'Base']", mode="eval").body
    assert members(reader).annotated(annotation, M) == {f"={M}:Base"}
