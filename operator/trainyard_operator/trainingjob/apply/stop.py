"""Stopping an attempt: the cause on record, its child Job and its pods deleted.

Place in the data's way: from station 2 to stations 3 and 4. Why a job is stopped is written at once and whatever
version the job has; the stop itself never waits for that.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

from trainyard_api import names
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.kube import JOBS, PODS, TRAINING_JOBS, Kube, KubeError
from trainyard_operator.trainingjob.decision.actions import DeleteChild, DeletePod, RecordCancel, RecordStop

RECORD_SECONDS: Final = 2.0
"""How long a stop waits for its record."""


async def carry_out(
    kube: Kube, metadata: ObjectMeta, action: RecordStop | RecordCancel | DeleteChild | DeletePod, now: datetime
) -> None:
    """Carries out one part of a stop.

    Raises:
        KubeError: the request failed, or a record took more than two seconds.
    """
    match action:
        case RecordStop(cause, attempt):
            await _latch(kube, metadata, {"stop": {"cause": cause, "time": format_time(now), "attempt": attempt}})
        case RecordCancel():
            await record_cancel(kube, metadata, now)
        case DeleteChild(child):
            await kube.delete(JOBS.path(metadata.namespace, child.name), child.uid)
        case DeletePod(pod):
            await kube.delete(PODS.path(pod.namespace, pod.name), pod.uid)


async def record_cancel(kube: Kube, metadata: ObjectMeta, now: datetime) -> None:
    """Writes that a job was cancelled, for ever.

    Raises:
        KubeError: the request failed, or took more than two seconds.
    """
    await _latch(kube, metadata, {"cancelTime": format_time(now)})


async def _latch(kube: Kube, metadata: ObjectMeta, fields: dict[str, Any]) -> None:
    path = TRAINING_JOBS.path(metadata.namespace, metadata.name)
    try:
        await asyncio.wait_for(kube.latch(path, metadata.uid, fields, names.BUDGET_MANAGER), RECORD_SECONDS)
    except TimeoutError:
        raise KubeError(0, "Timeout", f"{path}: no answer within {RECORD_SECONDS:.0f} s") from None
