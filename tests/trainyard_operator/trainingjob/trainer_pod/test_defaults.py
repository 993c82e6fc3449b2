"""Claims about what the installation sets where a job says nothing."""

from __future__ import annotations

import pytest

from trainyard_api.trainer_pod import TrainerSpec
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults


def trainer(**fields: str) -> TrainerSpec:
    """A trainer of a manifest."""
    return TrainerSpec.model_validate(fields)


@pytest.mark.parametrize(
    ("default", "memory", "size"),
    [
        ("1Gi", "4Gi", "1Gi"),
        ("2Gi", "4Gi", "2Gi"),
        ("8Gi", "4Gi", "2147483648"),
        ("", "4Gi", ""),
        ("8Gi", "67108865", "33554432"),
    ],
)
def test_default_of_shared_memory_is_at_most_half(default: str, memory: str, size: str) -> None:
    """It counts in the memory, and a small job keeps some of it; a quantity that the API server takes."""
    defaults = PodDefaults("default:1", "Always", shared_memory=default)
    assert defaults.shared_memory_of(trainer(memory=memory)) == size


def test_field_of_the_job_wins() -> None:
    """Also where it is larger than half, or than the default."""
    defaults = PodDefaults("default:1", "Always", shared_memory="1Gi", ephemeral_storage="5Gi")
    own = trainer(memory="4Gi", sharedMemory="3Gi", ephemeralStorage="70Gi")
    assert (defaults.shared_memory_of(own), defaults.ephemeral_storage_of(own)) == ("3Gi", "70Gi")
    assert defaults.ephemeral_storage_of(trainer()) == "5Gi"
