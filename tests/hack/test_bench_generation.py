"""Every engine samples from the model, and as many tokens as it was told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from transformers import Qwen3ForCausalLM

from hack.bench.agreement import DisagreementError, greedy_gap, require_agreement
from hack.bench.generation import BASE, OURS, TO_LONGEST, UNSHARED, Measured, measure, notes, rows, weigh
from hack.bench.generators import ENDED_BY_ID, ENGINES, Generate
from hack.bench.models import EOS, make_model
from hack.bench.rounds import Rounds
from hack.bench.workloads import Workload, make_workload

LENGTHS = (1, 5, 3, 2)


def small(*, greedy: bool = False) -> Workload:
    """Two groups of two, none as long as another."""
    prompts = make_workload("tiny", prompts=2, group=2).prompts
    return Workload("tiny", "tiny", prompts, LENGTHS, greedy)


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_ends_every_row_where_it_is_told(name: str) -> None:
    """Twice over: an engine that is opened once generates anew each time."""
    with ENGINES[name](make_model("tiny"), small()) as generate:
        for _ in range(2):
            completions = generate()
            assert tuple(len(ids) for ids in completions) == LENGTHS
            if name in ENDED_BY_ID:
                assert all(ids[-1] == EOS and EOS not in ids[:-1] for ids in completions)


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_samples_from_the_model(name: str) -> None:
    """Greedy tokens are the most probable ones of a plain forward pass."""
    model = make_model("tiny")
    assert require_agreement(model, small(), [name])[name] <= 1e-5


def test_a_row_of_other_tokens_is_seen() -> None:
    """The gap of tokens that nobody would choose is far from nothing."""
    workload = small(greedy=True)
    random = [[4, 5, 6, 7, 8][:length] for length in workload.lengths]
    assert greedy_gap(make_model("tiny"), workload, random, forced=False) > 0.01


@pytest.mark.parametrize(("liar", "what"), [([[4] * 8] * 8, "lengths"), (None, "nats")])
def test_an_engine_that_does_something_else_is_refused(
    liar: list[list[int]] | None, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time would mean nothing."""

    @contextmanager
    def lie(_: Qwen3ForCausalLM, workload: Workload) -> Iterator[Generate]:
        yield lambda: liar or [[4] * length for length in workload.lengths]

    monkeypatch.setitem(ENGINES, "liar", lie)
    with pytest.raises(DisagreementError, match=what):
        require_agreement(make_model("tiny"), small(), ["liar"])


def test_a_measurement_has_a_row_for_each_engine() -> None:
    """Times of all, shares of ours, and what one must know to read them."""
    engines = [BASE, OURS]
    measured = measure(small(), engines, 1, "cpu", memory=False)
    assert set(measured.rounds.seconds) == {*engines, UNSHARED, TO_LONGEST}
    assert [row[1] for row in rows(measured, engines)] == engines
    assert any("2 prompts x 2 of 64 tokens, 11 to sample, 1 to 5" in line for line in notes([measured]))


def test_cells_are_what_was_measured() -> None:
    """Tokens of use by the median second; ratio and shares by round; memory in MiB."""
    rounds = Rounds({BASE: [2.2, 2.2], OURS: [1.1, 1.1], UNSHARED: [1.65, 1.65], TO_LONGEST: [1.32, 1.32]})
    peaks = {BASE: 3 * 2**20, OURS: 2**20}
    measured = Measured(small(), rounds, peaks, {BASE: 2e-6, OURS: 3e-7, "ours, sampled": 1e-6})
    base, ours = rows(measured, [BASE, OURS])
    assert base == ["tiny", BASE, "5", "2.20 (2.20-2.20)", "1.00", "", "", "3", "2e-06"]
    assert ours == ["tiny", OURS, "10", "1.10 (1.10-1.10)", "2.00", "50 %", "20 %", "1", "3e-07"]


def test_peaks_are_of_one_engine_each() -> None:
    """Some memory, and less than a tiny model could ever take."""
    peaks = weigh(small(), [BASE, OURS])
    assert set(peaks) == {BASE, OURS}
    assert all(0 <= peak < 500 * 2**20 for peak in peaks.values())
