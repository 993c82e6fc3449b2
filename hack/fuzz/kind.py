"""What a kind of input is, and what every answer to it must be like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hypothesis import strategies as st

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.readable import is_writable

T = TypeVar("T")

FIELDS = ("spec", "metadata", "apiVersion", "kind", "MANIFEST", "--")
"""What a field path begins with: the manifest's own fields, and arguments of the command that reads one."""


class BrokenPromiseError(AssertionError):
    """An answer that no input may get; the text says which promise it breaks."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of input, and what is done with one.

    Attributes:
        name: what `python -m hack.fuzz` calls it.
        examples: how many `make test` tries.
        inputs: draws them.
        check: gives one to the product; raises where it gets another answer than it may.
    """

    name: str
    examples: int
    inputs: st.SearchStrategy[T]
    check: Callable[[T], None]


def promise(holds: object, what: str) -> None:
    """Raises BrokenPromiseError unless it holds."""
    if not holds:
        raise BrokenPromiseError(what)


def refused(error: RefusedError, *, lines: bool = False) -> None:
    """Holds a refusal to its form: a reason, a field of the manifest or the command line, and one line of text.

    Args:
        error: the refusal.
        lines: whether it may tell several faults, each in a line of its own.
    """
    promise(
        isinstance(error.reason, TerminationReason), f"a refusal has a reason of the contract; got {error.reason!r}"
    )
    if error.field_path is not None:
        promise(error.field_path.startswith(FIELDS), f"no field: {error.field_path}")
    for line in str(error).split("\n") if lines else [str(error)]:
        one_line(line)


def one_line(text: str) -> None:
    """Holds a text for people to its form: one line, with nothing in it that no terminal or ledger can hold."""
    promise(text.strip(), "a text for people says something")
    promise(not {"\n", "\r"} & set(text), f"a text for people has one line; got {text!r}")
    writable(text)


def writable(text: str) -> None:
    """Holds a text to what a ledger can hold."""
    promise(is_writable(text) and "\x00" not in text, f"a ledger can hold every text; got {text!a}")
