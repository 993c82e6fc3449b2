"""Claims about the shape of the trainer pod."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainyard_api.trainer_pod import Toleration, TrainerSpec
from trainyard_api.validation import explain


def test_a_pod_needs_no_setting() -> None:
    """One core, 4Gi, no GPU."""
    trainer = TrainerSpec.model_validate({})
    assert (trainer.cpu, trainer.memory, trainer.gpus) == ("1", "4Gi", None)


@pytest.mark.parametrize(
    ("toleration", "line"),
    [
        ({}, 'operator: must be Exists where key is absent; got "Equal"'),
        ({"key": "a", "operator": "Exists", "value": "b"}, 'value: may be set only where operator is Equal; got "b"'),
        (
            {"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5},
            "tolerationSeconds: may be set only where effect is NoExecute; got 5",
        ),
    ],
)
def test_a_toleration_is_one_that_kubernetes_takes(toleration: dict[str, Any], line: str) -> None:
    """Else the pod would be refused after the job was taken."""
    with pytest.raises(ValidationError) as caught:
        Toleration.model_validate(toleration)
    assert explain(caught.value) == [line]


def test_every_taint_may_be_tolerated() -> None:
    """Exists without a key."""
    assert Toleration.model_validate({"operator": "Exists"}).to_wire() == {"operator": "Exists"}
