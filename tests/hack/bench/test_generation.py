"""A table of generation says what was measured."""

from __future__ import annotations

from hack.bench.generation import BASE, OURS, TO_LONGEST, UNSHARED, Measured, measure, notes, rows, weigh
from hack.bench.rounds import Rounds
from tests.hack.bench.small import pairs


def test_a_measurement_has_a_row_for_each_engine() -> None:
    """Times of all, shares of ours, and what one must know to read them."""
    engines = [BASE, OURS]
    measured = measure(pairs(), engines, 1, "cpu", memory=False)
    assert set(measured.rounds.seconds) == {*engines, UNSHARED, TO_LONGEST}
    assert [row[1] for row in rows(measured, engines)] == engines
    assert any("2 prompts x 2 of 64 tokens, 11 to sample, 1 to 5" in line for line in notes([measured]))


def test_cells_are_what_was_measured() -> None:
    """Tokens of use by the median second; ratio and shares by round; memory in MiB."""
    rounds = Rounds({BASE: [2.2, 2.2], OURS: [1.1, 1.1], UNSHARED: [1.65, 1.65], TO_LONGEST: [1.32, 1.32]})
    peaks = {BASE: 3 * 2**20, OURS: 2**20}
    measured = Measured(pairs(), rounds, peaks, {BASE: 2e-6, OURS: 3e-7, "ours, sampled": 1e-6})
    base, ours = rows(measured, [BASE, OURS])
    assert base == ["tiny", BASE, "5", "2.20 (2.20-2.20)", "1.00", "", "", "3", "2e-06"]
    assert ours == ["tiny", OURS, "10", "1.10 (1.10-1.10)", "2.00", "50 %", "20 %", "1", "3e-07"]


def test_peaks_are_of_one_engine_each() -> None:
    """Some memory, and less than a tiny model could ever take."""
    peaks = weigh(pairs(), [BASE, OURS])
    assert set(peaks) == {BASE, OURS}
    assert all(0 <= peak < 500 * 2**20 for peak in peaks.values())
