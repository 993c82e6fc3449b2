"""kopf's handlers: each turns an event of a watch into a request for a pass, and decides nothing.

Place in the data's way: station 2, its triggers. Only low-level event handlers, so that kopf keeps no state of its own
in anybody's annotations and adds no finalizer.
"""

from __future__ import annotations

import random
from typing import Any

import kopf

from trainyard_api import names
from trainyard_api.fields import API_GROUP
from trainyard_operator.cluster.kube import Kind
from trainyard_operator.cluster.reader import SELECTORS
from trainyard_operator.cluster.watch import Watch
from trainyard_operator.health import Health
from trainyard_operator.queue import Key, Queue


class Backoffs:
    """Seconds between repeated requests of kopf's own: growing, with jitter, so that no herd forms."""

    def __iter__(self) -> Any:
        return (pause * random.uniform(0.5, 1.5) for pause in (1, 2, 4, 8, 15, 30))  # noqa: S311 - no secret


def registry(queue: Queue, health: Health) -> kopf.OperatorRegistry:
    """Makes all handlers of the operator."""
    found = kopf.OperatorRegistry()

    @kopf.on.startup(registry=found)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)

    @kopf.on.login(registry=found)
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    for controller in queue.controllers.values():
        for watch in controller.watches:
            _ask_when_seen(found, controller.kind, watch, queue, health)
    return found


def _ask_when_seen(found: kopf.OperatorRegistry, kind: Kind, watch: Watch, queue: Queue, health: Health) -> None:
    """Adds a handler of its own: kopf tells handlers apart by their function."""
    labels = None if watch.label is None else {watch.label: kopf.PRESENT}

    @kopf.on.event(*watch.kind.group_version, watch.kind.plural, labels=labels, registry=found)
    async def seen(namespace: str | None, name: str | None, body: kopf.Body, **_: Any) -> None:
        metadata = body["metadata"]
        if watch.label is None:
            health.watched(metadata["uid"], metadata["resourceVersion"])
            controller, plain = queue.controllers[kind], dict(body)
            queue.ask(Key(kind, str(namespace), str(name)), urgent=controller.is_urgent(plain))
            controller.seen(plain)
        else:
            queue.ask(Key(kind, str(namespace), metadata["labels"][watch.label]))


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.persistence.finalizer = names.PREFIX + "kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=API_GROUP, v1=False)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=API_GROUP, v1=False)
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1
    settings.watching.chunk_size = 500
    for kind, selector in SELECTORS.items():
        settings.watching.label_selectors[kind.plural] = selector
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = Backoffs()
    settings.execution.default_backoff = 15
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = 10
