"""A benchmark's peak is the work's own."""

from __future__ import annotations

from hack.bench.memory import resident_peak

MIB = 2**20


def touched(mib: int) -> bytearray:
    """So much memory, resident."""
    block = bytearray(mib * MIB)
    block[::4_096] = b"x" * len(block[::4_096])
    return block


def test_a_peak_inside_is_seen_and_one_before_is_not() -> None:
    """128 MiB that came and went before don't hide the 64 MiB that came and went during the work."""
    before = touched(128)
    del before
    with resident_peak() as memory:
        during = touched(64)
        del during
    assert 62 * MIB <= memory.above <= 80 * MIB


def test_what_stays_from_before_is_not_counted() -> None:
    """Weights that were loaded before the work are not its cost."""
    kept = touched(64)
    with resident_peak() as memory:
        during = touched(16)
        del during
    assert memory.above <= 32 * MIB
    assert len(kept) == 64 * MIB
