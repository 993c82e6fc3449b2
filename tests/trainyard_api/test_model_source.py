"""Claims about where the first weights come from."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainyard_api.model_source import ModelSource
from trainyard_api.validation import explain


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ({}, "exactly one of checkpoint, s3, path, huggingFace, scratch must be set; got nothing"),
        ({"path": "/m", "scratch": {}}, 'must be set; got ["path", "scratch"]'),
        ({"checkpoint": {"name": "a", "select": "Latest"}}, "checkpoint.select: may be set only with trainingJob"),
        ({"huggingFace": {"repository": "a/b", "revision": "main"}}, "huggingFace.revision: must match"),
        ({"huggingFace": {"repository": "a/b..c", "revision": "0" * 40}}, "may hold neither .. nor --"),
        ({"scratch": {"attentionHeads": 3}}, "scratch.attentionHeads: must be divisible by keyValueHeads; got 3"),
    ],
)
def test_a_source_is_one_place_that_can_be_read(source: dict[str, Any], line: str) -> None:
    """A branch of the Hub could move, and a head count that doesn't divide would fail in the pod."""
    with pytest.raises(ValidationError) as caught:
        ModelSource.model_validate(source)
    assert line in explain(caught.value)[0]


def test_a_job_s_checkpoint_is_its_latest_by_default() -> None:
    """The job's name is enough."""
    source = ModelSource.model_validate({"checkpoint": {"trainingJob": "sums"}})
    assert source.to_wire() == {"checkpoint": {"trainingJob": "sums"}}
