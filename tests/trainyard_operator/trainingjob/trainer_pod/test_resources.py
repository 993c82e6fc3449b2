"""Claims about what a trainer pod takes of its node."""

from __future__ import annotations

from typing import Any

from trainyard_api.trainer_pod import TrainerSpec
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.trainingjob.trainer_pod.resources import resources_of, scratch_mounts, scratch_volumes

DEFAULTS = PodDefaults("default:1", "Always")


def trainer(**fields: Any) -> TrainerSpec:
    """A trainer of a manifest."""
    return TrainerSpec.model_validate(fields)


def test_all_but_the_cpu_is_limited_to_its_request() -> None:
    """So no LimitRange's ratio of limit to request is broken; the CPU has a limit only where one is asked for."""
    asked = trainer(cpu="2", memory="3Gi", ephemeralStorage="9Gi", gpus={"product": "NVIDIA-L4", "count": 2})
    both = {"memory": "3Gi", "ephemeral-storage": "9Gi", "nvidia.com/gpu": "2"}
    assert resources_of(asked, DEFAULTS) == {"requests": {"cpu": "2"} | both, "limits": both}
    limited = resources_of(trainer(cpu="2", cpuLimit="3"), DEFAULTS)
    assert (limited["requests"]["cpu"], limited["limits"]["cpu"]) == ("2", "3")


def test_pod_without_settings_has_one_unbounded_volume() -> None:
    """What nobody has bounded is bounded by the node, or by the namespace's LimitRange."""
    assert scratch_volumes(trainer(), DEFAULTS) == [{"name": "cache", "emptyDir": {}}]
    assert scratch_mounts(trainer(), DEFAULTS) == [{"name": "cache", "mountPath": "/cache"}]
    assert resources_of(trainer(), DEFAULTS) == {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}}


def test_each_volume_is_mounted() -> None:
    """The caches fit the disk that the pod may use, and /dev/shm is memory."""
    asked = trainer(ephemeralStorage="9Gi", sharedMemory="1Gi")
    cache, shared = scratch_volumes(asked, DEFAULTS)
    assert cache["emptyDir"] == {"sizeLimit": "9Gi"}
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert [mount["name"] for mount in scratch_mounts(asked, DEFAULTS)] == [cache["name"], shared["name"]]
