"""Every engine samples as many tokens as it was told to, each time that it is asked."""

from __future__ import annotations

import pytest

from hack.bench.generators import ENDED_BY_ID, ENGINES
from hack.bench.models import EOS, make_model
from tests.hack.bench.small import LENGTHS, pairs


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_ends_every_row_where_it_is_told(name: str) -> None:
    """Twice over: an engine that is opened once generates anew each time."""
    with ENGINES[name](make_model("tiny"), pairs()) as generate:
        for _ in range(2):
            completions = generate()
            assert tuple(len(ids) for ids in completions) == LENGTHS
            if name in ENDED_BY_ID:
                assert all(ids[-1] == EOS and EOS not in ids[:-1] for ids in completions)
