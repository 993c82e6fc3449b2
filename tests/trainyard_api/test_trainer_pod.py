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


@pytest.mark.parametrize(
    ("trainer", "line"),
    [
        ({"sharedMemory": "4Gi"}, 'sharedMemory: must be less than memory, in which it counts; got "4Gi"'),
        (
            {"memory": "1Gi", "sharedMemory": "1024Mi"},
            'sharedMemory: must be less than memory, in which it counts; got "1024Mi"',
        ),
        ({"cpu": "2", "cpuLimit": "1999m"}, 'cpuLimit: must be at least cpu; got "1999m"'),
    ],
)
def test_what_a_pod_is_given_fits_what_it_asks_for(trainer: dict[str, Any], line: str) -> None:
    """/dev/shm is part of the memory, and a limit is no smaller than its request."""
    with pytest.raises(ValidationError) as caught:
        TrainerSpec.model_validate(trainer)
    assert explain(caught.value) == [line]


def test_sizes_are_compared_as_numbers() -> None:
    """Units may differ, and a limit may equal its request."""
    trainer = TrainerSpec.model_validate({"memory": "1Gi", "sharedMemory": "1023Mi", "cpu": "500m", "cpuLimit": "0.5"})
    assert (trainer.shared_memory, trainer.cpu_limit) == ("1023Mi", "0.5")


def test_every_taint_may_be_tolerated() -> None:
    """Exists without a key."""
    assert Toleration.model_validate({"operator": "Exists"}).to_wire() == {"operator": "Exists"}
