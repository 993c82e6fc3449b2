"""Whatever comes in at the public entry points, what comes out is a result or a refusal: see `hack.fuzz`."""

from __future__ import annotations

from typing import Any

import pytest

from hack.fuzz.__main__ import KINDS, fresh_seed
from hack.fuzz.kind import Kind
from hack.fuzz.search import search, try_fixed

SECONDS = 120
"""For all kinds together, of inputs that are drawn anew."""


@pytest.mark.learning
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_same_inputs_as_ever_find_nothing(kind: Kind[Any]) -> None:
    """A fixed number, the same on every machine."""
    try_fixed(kind)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_fresh_inputs_find_nothing(kind: Kind[Any]) -> None:
    """Each is printed before it is tried, and the seed that gives it again."""
    found = search(kind, fresh_seed(), SECONDS / len(KINDS), lambda text: print(text, flush=True))
    assert found is None, str(found)
