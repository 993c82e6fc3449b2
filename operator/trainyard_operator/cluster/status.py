"""Writing an object's status, if it is still the version that was observed.

Place in the data's way: station 11. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard_api.fields import API_VERSION
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.kube import Kind, Kube


async def apply_status(
    kube: Kube,
    kind: Kind,
    kind_name: str,
    *,
    metadata: ObjectMeta,
    version: str,
    status: Mapping[str, Any],
    manager: str,
) -> dict[str, Any]:
    """Applies what a field manager owns of the status of one of our kinds; returns the object that it made.

    Args:
        kube: the API server.
        kind: of the object.
        kind_name: as manifests spell it.
        metadata: of the object as it was observed.
        version: the only one to write to; it tells a later object of the name too, for this subresource takes no notice
            of the uid.
        status: what the manager owns of it.
        manager: its field manager.

    Raises:
        KubeError: it was refused; a conflict where the object isn't of that version.
    """
    named = {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid, "resourceVersion": version}
    body = {"apiVersion": API_VERSION, "kind": kind_name, "metadata": named, "status": dict(status)}
    return await kube.apply(kind.path(metadata.namespace, metadata.name, "status"), body, manager)
