"""Claims about what a trainer reads at its start."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.contract.bases import DIGEST, S3
from tests.contract.cel_breaks import changed
from trainyard_api.run_config import RunConfig
from trainyard_api.validation import explain

BODY: dict[str, Any] = {
    "version": 1,
    "run": {"namespace": "team-a", "name": "job", "uid": "uid-1", "attempt": 1},
    "model": {"checkpoint": {"uri": "s3://bucket/a/", "digest": DIGEST, "storage": {"s3": S3}}},
    "algorithm": {"type": "GRPO", "grpo": {"steps": 5}},
    "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
    "checkpoints": {"everySteps": 5, "storage": {"folder": {"directory": "/tmp/run"}}},
}


def test_run_config_goes_and_comes_back() -> None:
    """What the operator writes, the trainer reads unchanged, refusing nothing of it."""
    config = RunConfig.model_validate(BODY, extra="forbid")
    assert RunConfig.model_validate_json(config.model_dump_json(by_alias=True), extra="forbid") == config


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"version": 2}, "version: must be 1; got 2"),
        ({"precision": "bf16"}, 'precision: is not a field of this API; got "bf16"'),
        ({"algorithm.grpo.fromTheFuture": 1}, "algorithm.grpo.fromTheFuture: is not a field of this API; got 1"),
        ({"checkpoints.storage": {}}, "checkpoints.storage: exactly one of s3, folder must be set; got nothing"),
        ({"run.attempt": 0}, "run.attempt: must be at least 1; got 0"),
    ],
)
def test_what_is_not_understood_is_refused(changes: dict[str, Any], line: str) -> None:
    """A version, field or value that this trainer doesn't know is refused by name, not ignored."""
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(changed(BODY, changes), extra="forbid")
    assert explain(caught.value) == [line]
