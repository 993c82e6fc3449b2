"""The benchmark compares like with like: every engine's gradients are the formula's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hack.bench.logprob import ENGINES, MIB, Measured, Shape, fits, measure, reference, table

SHAPE = Shape(tokens=96, vocabulary=700, hidden=32)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_is_measured_on_the_same_problem(engine: str, tmp_path: Path) -> None:
    """A fast wrong answer would show in the error's column; a measurement takes time."""
    torch.save(reference(SHAPE), tmp_path / "expected.pt")
    measured = measure(engine, SHAPE, tmp_path / "expected.pt")
    assert measured.error is not None
    assert 0.0 < measured.error <= 1e-5
    assert measured.seconds > 0.0


def test_a_row_is_medians_and_the_worst_memory() -> None:
    """Ratios are taken round by round, for rounds alternate; one slow round moves no median."""
    runs = {
        "trl": [Measured(4.0, 10 * MIB, 1e-7), Measured(9.0, 30 * MIB, None), Measured(4.0, 20 * MIB, None)],
        "ours": [Measured(2.0, MIB, 1e-7), Measured(4.5, MIB, None), Measured(1.0, MIB, None)],
    }
    cells = [cell.strip() for cell in table(SHAPE, runs)[0].split("|")]
    assert cells[1] == "96"
    assert cells[2].startswith("trl ")
    assert cells[3:] == ["4.00", "24", "2.00", "30", "1.0e-07", "3", ""]


def test_the_naive_pass_is_left_out_where_it_would_not_fit() -> None:
    """Three float32 matrices of 4,096 x 151,936 are 7 GiB."""
    shape = Shape(4_096, 151_936, 256)
    assert fits(shape, available=12 * 2**30)
    assert not fits(shape, available=8 * 2**30)
