"""Stopping an attempt, and letting go: of its child Job, its pods, and the TrainingJob itself.

Place in the data's way: from station 2 to stations 3 and 4.
"""

from __future__ import annotations

from trainyard_api import names
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.kube import JOBS, PODS, TRAINING_JOBS, Kube
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.actions import AddFinalizer, RemoveFinalizer
from trainyard_operator.trainingjob.observed import ChildView


async def delete_child(kube: Kube, namespace: str, child: ChildView) -> None:
    """Deletes a child Job, and its pods in the background.

    Raises:
        KubeError: the request failed.
    """
    await kube.delete(JOBS.path(namespace, child.name), child.uid)


async def release_pod(kube: Kube, pod: PodView) -> None:
    """Takes our finalizer off a pod as it was observed.

    Raises:
        KubeError: the request failed, or the pod has changed.
    """
    rest = [name for name in pod.finalizers if name != names.ACCOUNTING_FINALIZER]
    await kube.set_finalizers(PODS.path(pod.namespace, pod.name), pod.resource_version, rest)


async def change_finalizer(
    kube: Kube, metadata: ObjectMeta, action: AddFinalizer | RemoveFinalizer, version: str
) -> str | None:
    """Puts our finalizer on a TrainingJob, or takes it off; returns the version that it made, None where it is gone.

    Raises:
        KubeError: the request failed, or the job isn't of that version any more.
    """
    rest = [name for name in metadata.finalizers if name != names.SETTLEMENT_FINALIZER]
    wanted = [*rest, names.SETTLEMENT_FINALIZER] if isinstance(action, AddFinalizer) else rest
    body = await kube.set_finalizers(TRAINING_JOBS.path(metadata.namespace, metadata.name), version, wanted)
    return body["metadata"]["resourceVersion"] if body is not None else None
