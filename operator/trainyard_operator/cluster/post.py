"""Posting events: after the status is written, at most once each.

Place in the data's way: station 11. An event's name follows from the object, its state and what it says, so that a
repeated pass posts nothing twice. An event that can't be posted is logged: the status has said it already.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from trainyard_api import names
from trainyard_api.fields import API_VERSION
from trainyard_api.training_job import TrainingJob
from trainyard_operator.cluster.events import EventNote
from trainyard_operator.cluster.kube import EVENTS, Kube, KubeError
from trainyard_operator.cluster.messages import event_note

log = logging.getLogger(__name__)


def event_body(job: TrainingJob, note: EventNote, now: datetime) -> dict[str, Any]:
    """Builds the events.k8s.io/v1 object."""
    metadata = job.metadata
    said = "\0".join((metadata.uid, str(metadata.generation), note.reason, note.note))
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{hashlib.sha256(said.encode()).hexdigest()[:16]}",
            "namespace": metadata.namespace,
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": names.PREFIX + "operator",
        "reportingInstance": names.OPERATOR_MANAGER,
        "action": "Reconcile",
        "reason": note.reason,
        "note": event_note(note.note),
        "type": "Warning" if note.warning else "Normal",
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": "TrainingJob",
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
    }


async def post_events(kube: Kube, job: TrainingJob, notes: Iterable[EventNote], now: datetime) -> None:
    """Posts each event that isn't there yet."""
    await asyncio.gather(*(_post(kube, job, note, now) for note in notes))


async def _post(kube: Kube, job: TrainingJob, note: EventNote, now: datetime) -> None:
    try:
        await kube.create(EVENTS.path(job.metadata.namespace), event_body(job, note, now))
    except KubeError as error:
        terminating = "because it is being terminated" in error.message
        if error.status != 409 and not terminating:
            log.warning("%s/%s: event %s: %s", job.metadata.namespace, job.metadata.name, note.reason, error)
