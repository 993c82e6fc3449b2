"""What the cluster says went wrong with an object: its events, which no other field repeats.

Place in the data's way: station 3, where a Job has no pod. Asked rarely, and answered from memory in between: the same
question comes at every tick.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from trainyard_operator.cluster.kube import EVENTS, Kube, KubeError
from trainyard_operator.cluster.messages import bounded

_FRESH_SECONDS: Final = 30.0
_MOST: Final = 10_000


@dataclass
class Warnings:
    """Reads the newest warning about an object."""

    kube: Kube
    _known: dict[str, tuple[str, float]] = field(default_factory=dict)

    async def about(self, namespace: str, uid: str) -> str:
        """Reads the newest warning about an object, at most 30 s old; empty where there is none or it can't be read."""
        text, asked = self._known.get(uid, ("", -_FRESH_SECONDS))
        if time.monotonic() - asked < _FRESH_SECONDS:
            return text
        if len(self._known) >= _MOST:
            self._known.clear()
        text = await self._ask(namespace, uid)
        self._known[uid] = (text, time.monotonic())
        return text

    async def _ask(self, namespace: str, uid: str) -> str:
        try:
            events = await self.kube.list_objects(EVENTS, namespace, fields=f"regarding.uid={uid},type=Warning")
        except KubeError as error:
            return bounded(f"its events can't be read: {error}", 300)
        newest = max(events, key=lambda event: event["metadata"]["creationTimestamp"], default={})
        return bounded(str(newest.get("note", "")), 500)
