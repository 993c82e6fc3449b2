"""The trainer pod as a user may shape it: there is no embedded PodSpec.

Place in the data's way: station 1, the part of a manifest that stations 3 and 4 obey. No I/O, no policy.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.fields import CPU, ApiModel, ImageReference, LabelKey, LabelValue, Memory, ObjectName
from trainyard_api.quantities import parse_quantity
from trainyard_api.rules import ATOMIC, Rule


class GpuRequest(ApiModel):
    """GPUs of one product, all on one node."""

    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=63)]
    """Value of the node label nvidia.com/gpu.product."""
    count: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of GPUs. Default: 1."""


class Toleration(ApiModel):
    """A taint that the trainer pod tolerates, as in a PodSpec."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "must be Exists where key is absent",
            lambda toleration: toleration.key is not None or toleration.operator == "Exists",
            field="operator",
        ),
        Rule(
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            "may be set only where operator is Equal",
            lambda toleration: toleration.value is None or toleration.operator == "Equal",
            field="value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "may be set only where effect is NoExecute",
            lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
            field="toleration_seconds",
        ),
    )

    key: LabelKey | None = None
    """Taint key. Default: every key, with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists or Equal. Default: Equal."""
    value: LabelValue | None = None
    """Taint value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect. Default: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Seconds that a NoExecute taint is tolerated. Default: for ever."""


class TrainerSpec(ApiModel):
    """The trainer pod: its image, its resources, and where it may run."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.cpuLimit) || quantity(self.cpuLimit).compareTo(quantity(self.cpu)) >= 0",
            "must be at least cpu",
            lambda trainer: (
                trainer.cpu_limit is None or parse_quantity(trainer.cpu_limit) >= parse_quantity(trainer.cpu)
            ),
            field="cpu_limit",
        ),
        Rule(
            "!has(self.sharedMemory) || quantity(self.sharedMemory).compareTo(quantity(self.memory)) < 0",
            "must be less than memory, in which it counts",
            lambda trainer: (
                trainer.shared_memory is None or parse_quantity(trainer.shared_memory) < parse_quantity(trainer.memory)
            ),
            field="shared_memory",
        ),
    )

    image: ImageReference | None = None
    """Image of the trainer. Default: the one that the operator was installed with."""
    image_pull_secrets: Annotated[list[ObjectName], Field(max_length=8), ATOMIC] | None = None
    """Names of Secrets of type kubernetes.io/dockerconfigjson, in the job's namespace, that the image is pulled with.
    Default: the chart's trainer.pullSecrets; an empty list: none."""
    gpus: GpuRequest | None = None
    """GPUs of the pod. Default: none."""
    cpu: CPU = "1"
    """CPU request, in cores, at least 10m. Default: 1."""
    cpu_limit: CPU | None = None
    """CPU limit, in cores, at least cpu; for a namespace whose ResourceQuota counts limits.cpu, or whose LimitRange
    would set a smaller one. Default: the LimitRange's, else none, so that idle cores may be used."""
    memory: Memory = "4Gi"
    """Memory request and limit, in whole bytes, at least 64Mi. Default: 4Gi."""
    shared_memory: Memory | None = None
    """Size of /dev/shm, in whole bytes, at least 64Mi and less than memory, in which what is written there counts.
    Default: the chart's trainer.sharedMemory, at most half of memory; else the container runtime's, 64Mi as a rule."""
    ephemeral_storage: Memory | None = None
    """Request and limit of the node's disk, in whole bytes, at least 64Mi: for logs, the caches of downloads and
    compilers, and checkpoints on their way out. It has no price. Default: the chart's trainer.ephemeralStorage, else no
    bound."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = {}
    """Node labels that the pod requires. Default: none."""
    tolerations: Annotated[list[Toleration], Field(max_length=16), ATOMIC] = []
    """Taints that the pod tolerates. Default: none."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pod. Default: the cluster's."""
    runtime_class_name: ObjectName | None = None
    """RuntimeClass of the pod, as nvidia. Default: the chart's trainer.runtimeClassName, else the cluster's."""
    start_deadline_seconds: Annotated[int, Field(ge=5, le=86_400)] = 600
    """Seconds that a bound pod may wait for its image or its Secrets before the attempt ends. Default: 600."""
