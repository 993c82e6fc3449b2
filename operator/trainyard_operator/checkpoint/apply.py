"""Writing the status of a Checkpoint.

Place in the data's way: stations 9 and 11, after the decision. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard_api import names
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.kube import CHECKPOINTS, Kube
from trainyard_operator.cluster.status import apply_status


async def write_status(kube: Kube, existing: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    """Writes the status of a Checkpoint as it was read.

    Raises:
        KubeError: it was refused; a conflict where the object has changed since.
    """
    metadata = ObjectMeta.model_validate(existing["metadata"])
    await apply_status(
        kube,
        CHECKPOINTS,
        "Checkpoint",
        metadata=metadata,
        version=metadata.resource_version,
        status=status,
        manager=names.OPERATOR_MANAGER,
    )
