"""Reading the cluster request by request: what an observation asks for.

Place in the data's way: station 2, before observing. A pass that writes reads this way; the tick reads `listing.py`'s
lists through the same interface, so that one observation serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from trainyard_api import names
from trainyard_operator.cluster.kube import JOBS, PODS, Kind, Kube

Body = dict[str, Any]
"""An object as the API server has it."""

_MANAGED: Final = f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY}"
SELECTORS: Final[Mapping[Kind, str]] = {JOBS: _MANAGED, PODS: _MANAGED}
"""Label selectors of the kinds that others make too: the objects that are watched and listed."""


class ClusterReader(Protocol):
    """What an observation asks for."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """Reads an object, whoever made it; None: it isn't there."""

    async def of_run(self, kind: Kind, namespace: str, run_uid: str) -> list[Body]:
        """Reads the objects that carry a run's labels."""


class LiveReader:
    """A request for every question."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """Reads an object, whoever made it; None: it isn't there."""
        return await self._kube.get(kind.path(namespace, name))

    async def of_run(self, kind: Kind, namespace: str, run_uid: str) -> list[Body]:
        """Reads the objects that carry a run's labels."""
        parts = (SELECTORS.get(kind), f"{names.JOB_UID_LABEL}={run_uid}")
        return await self._kube.list_objects(kind, namespace, ",".join(part for part in parts if part))
