"""Engines are compared only after they have shown that they do the same work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from transformers import Qwen3ForCausalLM

from hack.bench.agreement import DisagreementError, greedy_gap, require_agreement
from hack.bench.generators import ENGINES, Generate
from hack.bench.models import make_model
from hack.bench.workloads import Workload
from tests.hack.bench.small import pairs


def test_a_row_of_other_tokens_is_seen() -> None:
    """The gap of tokens that nobody would choose is far from nothing."""
    workload = pairs(greedy=True)
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
        require_agreement(make_model("tiny"), pairs(), ["liar"])


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_samples_from_the_model(name: str) -> None:
    """Greedy tokens are the most probable ones of a plain forward pass."""
    model = make_model("tiny")
    assert require_agreement(model, pairs(), [name])[name] <= 1e-5
