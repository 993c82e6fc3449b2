"""Writing an object's status, if it is still the version that was observed.

Place in the data's way: station 11. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard_api.fields import API_VERSION
from trainyard_operator.cluster.kube import Kind, Kube


async def apply_status(
    kube: Kube,
    kind: Kind,
    kind_name: str,
    *,
    namespace: str,
    name: str,
    version: str,
    status: Mapping[str, Any],
    manager: str,
) -> str:
    """Applies what a field manager owns of the status of one of our kinds; returns the version that it made.

    Raises:
        KubeError: it was refused; a conflict where the object has changed since that version.
    """
    metadata = {"name": name, "namespace": namespace, "resourceVersion": version}
    body = {"apiVersion": API_VERSION, "kind": kind_name, "metadata": metadata, "status": dict(status)}
    written = await kube.apply(kind.path(namespace, name, "status"), body, manager)
    return str(written["metadata"]["resourceVersion"])
