"""Reads what became of each mutant, and sums it up by module. Pure but for reading mutmut's files."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.mutate.equivalent import reason

NOTICED: Final = frozenset({1, 3, -24, 24, 152, 255})
"""Exit codes of a mutant's tests that mean that one of them failed, or that they took too long."""
BEGIN: Final = {
    "trainer": "<!-- `python -m hack.mutate table` writes the table of the mutation pass between here -->",
    "operator": "<!-- `python -m hack.mutate operator table` writes the table of the mutation pass between here -->",
}
"""By scope: before its table."""
END: Final = "<!-- and here. -->"


@dataclass(frozen=True)
class Mutant:
    """Holds one change and what became of it.

    Attributes:
        module: dotted, without the package.
        function: in which it is.
        change: the changed lines, or those taken out after a minus.
        noticed: whether a test failed.
    """

    module: str
    function: str
    change: str
    noticed: bool

    @property
    def why(self) -> str | None:
        """Say why no test can notice it; None where one could."""
        return None if self.noticed else reason(self.module, self.change)


@dataclass(frozen=True)
class Row:
    """Counts what a module's tests noticed."""

    module: str
    mutants: int
    killed: int
    equivalent: int

    @property
    def share(self) -> float:
        """Give the share killed of those that a test could notice; 1 where there are none."""
        telling = self.mutants - self.equivalent
        return self.killed / telling if telling else 1.0


def read_mutants(folder: Path, package: str) -> tuple[list[Mutant], int]:
    """Read mutmut's folder: the mutants that were run, by module, and how many weren't."""
    found, left = [], 0
    for meta in sorted((folder / package).rglob("*.py.meta")):
        source = meta.with_suffix("")
        codes: Mapping[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
        spans = json.loads(source.with_suffix(".py.spans").read_text())["spans"]
        lines = source.read_text().splitlines()
        for key, code in codes.items():
            if code is None:
                left += 1
                continue
            dotted, _, name = key.rpartition(".")
            before, after = (_body(lines, spans[each], each) for each in (f"{_stem(name)}__mutmut_orig", name))
            function = _stem(name).removeprefix("x").replace("ǁ", ".").lstrip("._")
            found.append(Mutant(dotted.removeprefix(f"{package}."), function, _change(before, after), code in NOTICED))
    return found, left


def rows(mutants: Sequence[Mutant]) -> list[Row]:
    """Sum up by module, and all together in the last."""
    names = sorted({mutant.module for mutant in mutants})
    by_module = [(name, [mutant for mutant in mutants if mutant.module == name]) for name in names]
    return [_row(name, part) for name, part in (*by_module, ("all", mutants))]


def _row(name: str, mutants: Sequence[Mutant]) -> Row:
    noticed = sum(mutant.noticed for mutant in mutants)
    return Row(name, len(mutants), noticed, sum(mutant.why is not None for mutant in mutants))


def table(of: Sequence[Row]) -> str:
    """Write rows as a table of Markdown; shares are rounded down."""
    head = ["| Module | Mutants | Killed | Equivalent | Share killed |", "|---|---:|---:|---:|---:|"]
    lines = [
        f"| `{row.module}` | {row.mutants} | {row.killed} | {row.equivalent} | {int(100 * row.share)} % |" for row in of
    ]
    return "\n".join([*head, *lines])


def placed(page: str, text: str, scope: str) -> str:
    """Put a scope's table in its place in a page.

    Raises:
        ValueError: the page has no such place.
    """
    before, begin, rest = page.partition(BEGIN[scope])
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must have a place for the table, between {BEGIN[scope]} and {END}")
    return f"{before}{begin}\n\n{text}\n\n{END}{after}"


def _stem(name: str) -> str:
    return name.partition("__mutmut_")[0]


def _body(lines: Sequence[str], span: tuple[int, int], name: str) -> list[str]:
    """List a function's lines, the first of which names it as the source does."""
    first, last = span
    return [line.replace(name, _stem(name)).strip() for line in lines[first - 1 : last]]


def _change(before: Sequence[str], after: Sequence[str]) -> str:
    changes = [line for line in difflib.ndiff(before, after) if line[:2] in ("- ", "+ ")]
    added = [line[2:] for line in changes if line.startswith("+ ")]
    return " ".join(added or [f"- {line[2:]}" for line in changes])
