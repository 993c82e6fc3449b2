"""kopf's handlers: each turns an event of the watch into a request for a pass, and decides nothing.

Place in the data's way: station 2, its triggers. Only low-level event handlers, so that kopf keeps no state of its own
in anybody's annotations and adds no finalizer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import kopf

from trainyard_api import names
from trainyard_api.fields import API_GROUP
from trainyard_operator.cluster.reader import MANAGED
from trainyard_operator.health import Health
from trainyard_operator.queue import Queue

_VERSION = "v1alpha1"


class Backoffs:
    """Seconds between repeated requests of kopf's own: growing, with jitter, so that no herd forms."""

    def __iter__(self) -> Any:
        return (pause * random.uniform(0.5, 1.5) for pause in (1, 2, 4, 8, 15, 30))  # noqa: S311 - no secret


def registry(queue: Queue, health: Health) -> kopf.OperatorRegistry:
    """All handlers of the operator."""
    found = kopf.OperatorRegistry()

    @kopf.on.startup(registry=found)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)

    @kopf.on.login(registry=found)
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(API_GROUP, _VERSION, "trainingjobs", registry=found)
    async def training_job(namespace: str | None, name: str | None, body: kopf.Body, **_: Any) -> None:
        health.watched(body["metadata"]["uid"], body["metadata"]["resourceVersion"])
        queue.ask(str(namespace), str(name))

    # One function for each kind: kopf tells handlers apart by their function.
    @kopf.on.event("batch", "v1", "jobs", labels={names.JOB_LABEL: kopf.PRESENT}, registry=found)
    async def child_job(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        queue.ask(str(namespace), labels[names.JOB_LABEL])

    @kopf.on.event("", "v1", "pods", labels={names.JOB_LABEL: kopf.PRESENT}, registry=found)
    async def pod(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        queue.ask(str(namespace), labels[names.JOB_LABEL])

    @kopf.on.event(API_GROUP, _VERSION, "checkpoints", labels={names.JOB_LABEL: kopf.PRESENT}, registry=found)
    async def checkpoint(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        queue.ask(str(namespace), labels[names.JOB_LABEL])

    return found


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.persistence.finalizer = names.PREFIX + "kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=API_GROUP, v1=False)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=API_GROUP, v1=False)
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1
    settings.watching.chunk_size = 500
    settings.watching.label_selectors["jobs"] = MANAGED
    settings.watching.label_selectors["pods"] = MANAGED
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = Backoffs()
    settings.execution.default_backoff = 15
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = 10
