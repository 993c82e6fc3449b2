"""Claims about the Checkpoint kind as Python reads it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.contract import bases
from tests.contract.cel_breaks import CHECKPOINT_ON_STATUS, changed
from trainyard_api.checkpoint import Checkpoint


def test_an_object_goes_and_comes_back() -> None:
    """What is written to the wire is what was read: no null, no field lost."""
    body = bases.checkpoint() | {"status": bases.checkpoint_status()}
    wire = Checkpoint.model_validate(body, extra="forbid").to_wire()
    assert (wire["spec"], wire["status"]) == (body["spec"], body["status"])


def test_keys_of_metrics_are_words() -> None:
    """A metric's name is checked in Python as it is by the API server."""
    body = bases.checkpoint() | {"status": bases.checkpoint_status()}
    for changes in CHECKPOINT_ON_STATUS["status.metrics", ""]:
        with pytest.raises(ValidationError, match="pattern"):
            Checkpoint.model_validate(changed(body, changes))


def test_what_a_newer_operator_has_stored_is_read_in_full() -> None:
    """One that couldn't be read would count as deleted."""
    ready = {"type": "Ready", "status": "True", "reason": "Committed", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    status = bases.checkpoint_status() | {
        "conditions": [ready | {"type": f"T{'t' * number}"} for number in range(9)],
        "metrics": {f"k{number}": "1.0" for number in range(33)},
    }
    found = Checkpoint.model_validate(bases.checkpoint() | {"status": status}).status
    assert found is not None
    assert (len(found.conditions or []), len(found.metrics or {})) == (9, 33)
