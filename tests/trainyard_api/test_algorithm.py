"""Claims about the settings of an algorithm as Python reads them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.contract import bases
from tests.contract.cel_breaks import changed
from trainyard_api.algorithm import GRPOConfig, LossType
from trainyard_api.manifest import check_manifest
from trainyard_api.run_config import RunConfig
from trainyard_api.training_job import parse_training_job
from trainyard_api.validation import explain

FORMER: dict[str, Any] = {"type": "GRPO", "grpo": {"loss": "DR_GRPO", "steps": 5, "maxPolicyTokens": 64}}
RUN_CONFIG: dict[str, Any] = {
    "version": 1,
    "run": {"namespace": "team-a", "name": "job", "uid": "uid-1", "attempt": 1},
    "model": {"path": "/models/m"},
    "algorithm": FORMER,
    "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
    "checkpoints": {"everySteps": 5, "storage": {"folder": {"directory": "/tmp/run"}}},
}


def test_a_loss_stored_under_its_former_name_is_read() -> None:
    """Objects in the API server, run configs of pods that run, and those kept in a local run's folder."""
    job = parse_training_job(changed(bases.example("minimal"), {"spec.algorithm": FORMER}))
    configs = [RunConfig.model_validate(RUN_CONFIG, extra="forbid")]
    configs += [RunConfig.model_validate_json(configs[0].model_dump_json(by_alias=True).replace("DrGRPO", "DR_GRPO"))]
    for algorithm in (job.spec.algorithm, *(config.algorithm for config in configs)):
        assert algorithm.grpo is not None
        assert algorithm.grpo.loss is LossType.DR_GRPO
    assert job.spec.algorithm.to_wire()["grpo"]["loss"] == "DrGRPO"


def test_a_former_name_keeps_the_rules_of_todays() -> None:
    """Its constant is required as before."""
    with pytest.raises(ValidationError) as caught:
        GRPOConfig.model_validate({"loss": "DR_GRPO", "steps": 5})
    assert explain(caught.value) == ["maxPolicyTokens: must be set exactly when loss is DrGRPO; got nothing"]


def test_a_new_manifest_is_refused_a_former_name() -> None:
    """As the API server refuses it, in words that name today's."""
    with pytest.raises(ValidationError) as caught:
        check_manifest(changed(bases.example("minimal"), {"spec.algorithm": FORMER}))
    must = "must be 'DAPO', 'GRPO', 'DrGRPO', 'GSPO' or 'CISPO'"
    assert explain(caught.value) == [f'spec.algorithm.grpo.loss: {must}; got "DR_GRPO"']
