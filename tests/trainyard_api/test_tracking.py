"""Claims about experiment trackers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from trainyard_api.tracking import Tracking
from trainyard_api.validation import explain


def test_a_run_may_be_told_to_both_trackers() -> None:
    """Or to none."""
    secret = {"secretRef": {"name": "keys"}}
    both = {"wandb": {"project": "p"} | secret, "mlflow": {"endpoint": "http://mlflow:5000", "experiment": "e"}}
    tracking = Tracking.model_validate(both)
    assert tracking.wandb is not None
    assert tracking.mlflow is not None
    assert tracking.mlflow.secret_ref is None
    assert Tracking.model_validate({}).to_wire() == {}


def test_weights_and_biases_needs_a_key() -> None:
    """Its server takes no run without; MLflow's may."""
    with pytest.raises(ValidationError) as caught:
        Tracking.model_validate({"wandb": {"project": "p"}})
    assert explain(caught.value) == ["wandb.secretRef: is required; got nothing"]
