"""A TrainingJob that this version can't read: said so in its status, and left alone.

Place in the data's way: station 2, in place of a pass. It happens to an object that was admitted under another version
of the CRD. What runs goes on; nothing is written but the one condition.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pydantic

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.kind import ObjectMeta
from trainyard_api.validation import explain
from trainyard_operator.cluster.kube import TRAINING_JOBS, Kube
from trainyard_operator.cluster.messages import bounded
from trainyard_operator.cluster.status import apply_status
from trainyard_operator.trainingjob.status import StatusDraft, halves


async def report(kube: Kube, body: dict[str, Any], error: pydantic.ValidationError, now: datetime) -> None:
    """Sets `Degraded` with the field, the rule and the value; writes nothing where it says so already.

    Raises:
        KubeError: the write failed.
    """
    draft = StatusDraft(body.get("status", {}), generation=body["metadata"]["generation"], now=now)
    message = bounded(explain(error)[0])
    draft.condition(ConditionType.DEGRADED, True, Reason.INVALID_SPEC, message)
    if draft.operator_half() != halves(body.get("status", {}))[0]:
        metadata = ObjectMeta.model_validate(body["metadata"])
        await apply_status(
            kube,
            TRAINING_JOBS,
            "TrainingJob",
            namespace=metadata.namespace,
            name=metadata.name,
            version=metadata.resource_version,
            status=draft.operator_half(),
            manager=names.OPERATOR_MANAGER,
        )
