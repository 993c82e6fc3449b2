"""What a trainer pod takes of its node: cores, memory, GPUs, disk; and the volumes that it writes to.

Place in the data's way: station 3. Pure. It must be admitted where a LimitRange or a ResourceQuota asks for limits.
"""

from __future__ import annotations

from typing import Any, Final

from trainyard_api import names
from trainyard_api.trainer_pod import TrainerSpec
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

_CACHE: Final = "cache"
_SHARED_MEMORY: Final = "shared-memory"
_SHARED_MEMORY_DIRECTORY: Final = "/dev/shm"  # noqa: S108 - a volume of the pod's own


def resources_of(trainer: TrainerSpec, defaults: PodDefaults) -> dict[str, Any]:
    """Builds a container's requests and limits.

    The CPU has no limit unless one is asked for: it would slow a pod that pays for its core, and protects nobody that
    requests don't.
    """
    both = {"memory": trainer.memory}
    if storage := defaults.ephemeral_storage_of(trainer):
        both["ephemeral-storage"] = storage
    if trainer.gpus is not None:
        both[names.GPU_RESOURCE] = str(trainer.gpus.count)
    limit = {"cpu": trainer.cpu_limit} if trainer.cpu_limit else {}
    return {"requests": {"cpu": trainer.cpu} | both, "limits": limit | both}


def scratch_volumes(trainer: TrainerSpec, defaults: PodDefaults) -> list[dict[str, Any]]:
    """Builds the volumes that a pod writes to: caches on disk, and /dev/shm in memory where it has a size."""
    # Of the container's own limit nothing else takes much: its root file system is read-only.
    storage = defaults.ephemeral_storage_of(trainer)
    volumes: list[dict[str, Any]] = [{"name": _CACHE, "emptyDir": {"sizeLimit": storage} if storage else {}}]
    if size := defaults.shared_memory_of(trainer):
        volumes.append({"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": size}})
    return volumes


def scratch_mounts(trainer: TrainerSpec, defaults: PodDefaults) -> list[dict[str, Any]]:
    """Builds the container's mounts of the same volumes."""
    folders = {_CACHE: names.CACHE_DIRECTORY, _SHARED_MEMORY: _SHARED_MEMORY_DIRECTORY}
    return [
        {"name": volume["name"], "mountPath": folders[volume["name"]]} for volume in scratch_volumes(trainer, defaults)
    ]
