"""What is said of mutants is what mutmut wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.mutate import equivalent
from hack.mutate.results import BEGIN, END, Mutant, Row, placed, read_mutants, rows, table

SOURCE = '''\
def x_half__mutmut_orig(number: int) -> float:
    """Halve it."""
    return number / 2
def x_half__mutmut_1(number: int) -> float:
    """Halve it."""
    return number * 2
class Pair:
    def xǁPairǁboth__mutmut_orig(self):
        return both(
            self.one,
            self.other,
        )
    def xǁPairǁboth__mutmut_1(self):
        return both(
            self.one,
        )
'''
SPANS = {
    "x_half__mutmut_orig": (1, 3),
    "x_half__mutmut_1": (4, 6),
    "xǁPairǁboth__mutmut_orig": (8, 12),
    "xǁPairǁboth__mutmut_1": (13, 16),
}


def written(folder: Path, half: int | None, both: int | None) -> Path:
    """A folder as mutmut leaves it, with these exit codes."""
    room = folder / "package/rooms"
    room.mkdir(parents=True)
    (room / "pair.py").write_text(SOURCE)
    (room / "pair.py.spans").write_text(json.dumps({"version": 1, "spans": SPANS}))
    codes = {"package.rooms.pair.x_half__mutmut_1": half, "package.rooms.pair.xǁPairǁboth__mutmut_1": both}
    (room / "pair.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    return folder


def test_a_mutant_is_named_by_its_module_function_and_changed_lines(tmp_path: Path) -> None:
    """Lines that were taken out stand after a minus."""
    found, left = read_mutants(written(tmp_path, 1, 0), "package")
    assert left == 0
    assert found == [
        Mutant("rooms.pair", "half", "return number * 2", noticed=True),
        Mutant("rooms.pair", "Pair.both", "- self.other,", noticed=False),
    ]


@pytest.mark.parametrize(("code", "noticed"), [(1, True), (3, True), (-24, True), (0, False), (33, False), (5, False)])
def test_only_a_failing_test_or_a_timeout_notices(tmp_path: Path, code: int, noticed: bool) -> None:
    """A mutant that no test runs isn't noticed."""
    (half, _), _ = read_mutants(written(tmp_path, code, 0), "package")
    assert half.noticed is noticed


def test_what_was_not_run_is_counted_apart(tmp_path: Path) -> None:
    """It is neither noticed nor not."""
    found, left = read_mutants(written(tmp_path, None, 1), "package")
    assert ([one.function for one in found], left) == (["Pair.both"], 1)


def test_shares_leave_out_what_no_test_can_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """But not what a test noticed all the same; the last row is all modules."""
    monkeypatch.setattr(equivalent, "CHANGES", {"a": {"same": "it computes the same"}})
    mutants = [
        Mutant("a", "f", "same", noticed=False),
        Mutant("a", "f", "same", noticed=True),
        Mutant("a", "f", "other", noticed=True),
        Mutant("b", "f", "same", noticed=False),
    ]
    assert rows(mutants) == [Row("a", 3, 2, 1), Row("b", 1, 0, 0), Row("all", 4, 2, 1)]
    assert [row.share for row in rows(mutants)] == [1.0, 0.0, pytest.approx(2 / 3)]
    assert "| `all` | 4 | 2 | 1 | 66 % |" in table(rows(mutants))


@pytest.mark.parametrize("scope", BEGIN)
def test_the_table_takes_the_place_of_the_one_before(scope: str) -> None:
    """All else on the page stays, the other scope's table too; a page without the place is refused."""
    other = next(each for each in BEGIN if each != scope)
    page = f"# Page\n\n{BEGIN[other]}\n\nother\n\n{END}\n\n{BEGIN[scope]}\n\nold\n\n{END}\n\nmore\n"
    assert placed(page, "new", scope) == page.replace("old", "new")
    with pytest.raises(ValueError, match="place for the table"):
        placed("# Page\n", "new", scope)
