"""Letting go: of a pod, of what was made for a job, and of the TrainingJob itself.

Place in the data's way: from station 2 to stations 3 and 4, at the end.
"""

from __future__ import annotations

from trainyard_api import names
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.kube import PODS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS, TRAINING_JOBS, Kube
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.decision.actions import (
    AddFinalizer,
    DeleteTrainingJob,
    ReleasePod,
    RemoveAccess,
    RemoveFinalizer,
)


async def carry_out(kube: Kube, metadata: ObjectMeta, action: ReleasePod | RemoveAccess | DeleteTrainingJob) -> None:
    """Carries out one part of letting go.

    Raises:
        KubeError: the request failed, or a pod has changed since it was observed.
    """
    match action:
        case ReleasePod(pod):
            await _release_pod(kube, pod)
        case RemoveAccess():
            await _remove_access(kube, metadata)
        case DeleteTrainingJob():
            await kube.delete(TRAINING_JOBS.path(metadata.namespace, metadata.name), metadata.uid)


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


async def _release_pod(kube: Kube, pod: PodView) -> None:
    """Takes our finalizer off a pod as it was observed.

    Raises:
        KubeError: the request failed, or the pod has changed.
    """
    rest = [name for name in pod.finalizers if name != names.ACCOUNTING_FINALIZER]
    await kube.set_finalizers(PODS.path(pod.namespace, pod.name), pod.resource_version, rest)


async def _remove_access(kube: Kube, metadata: ObjectMeta) -> None:
    """Deletes account and rights of a job's pods, where they are this job's.

    Raises:
        KubeError: a request failed.
    """
    for kind in (ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS):
        path = kind.path(metadata.namespace, names.trainer_account(metadata.name))
        body = await kube.get(path)
        if body is not None and any(o["uid"] == metadata.uid for o in body["metadata"].get("ownerReferences", ())):
            await kube.delete(path, body["metadata"]["uid"])
