"""What a trainer pod is given where its TrainingJob says nothing: the installation's settings.

Place in the data's way: station 3. Pure; a job's own field wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_api.quantities import parse_quantity
from trainyard_api.trainer_pod import TrainerSpec


@dataclass(frozen=True)
class PodDefaults:
    """Settings of all trainer pods; an empty one sets nothing."""

    image: str
    pull_policy: str
    """Of every image, a job's own too."""
    pull_secrets: tuple[str, ...] = ()
    runtime_class: str = ""
    ephemeral_storage: str = ""
    """A quantity of bytes."""
    shared_memory: str = ""
    """A quantity of bytes."""

    def ephemeral_storage_of(self, trainer: TrainerSpec) -> str:
        """Returns the request and limit of the node's disk; empty: none."""
        return trainer.ephemeral_storage or self.ephemeral_storage

    def shared_memory_of(self, trainer: TrainerSpec) -> str:
        """Returns the size of /dev/shm, a default at most half of the pod's memory; empty: the runtime's."""
        if trainer.shared_memory is not None or not self.shared_memory:
            return trainer.shared_memory or ""
        half = parse_quantity(trainer.memory) // 2
        return self.shared_memory if parse_quantity(self.shared_memory) <= half else str(half)
