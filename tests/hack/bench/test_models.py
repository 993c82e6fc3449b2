"""Models of benchmarks are the same for every engine."""

from __future__ import annotations

from hack.bench.models import as_text, make_model, make_tokenizer, parameters_of


def test_text_and_ids_are_the_same_prompt() -> None:
    """A trainer that takes text reads the very ids."""
    tokenizer = make_tokenizer(50)
    ids = (3, 49, 17)
    assert tuple(tokenizer(as_text(ids))["input_ids"]) == ids


def test_a_model_is_the_same_at_every_call() -> None:
    """Engines with models of their own have the same weights."""
    first, second = make_model("tiny"), make_model("tiny")
    assert parameters_of(first) == 76_800
    assert all((one == other).all() for one, other in zip(first.parameters(), second.parameters(), strict=True))
