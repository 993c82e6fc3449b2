"""Whether the API server serves our kinds as this version writes them.

Place in the data's way: before station 2. The schema of an older release refuses each status that names a field it
doesn't know, so that an operator that went on would write nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trainyard_api.fields import API_GROUP, API_VERSION, ApiModel
from trainyard_api.rules import to_api_case
from trainyard_operator.cluster.kube import Kube

_PATH: Final = f"/openapi/v3/apis/{API_VERSION}"


async def unknown_fields(kube: Kube, models: Mapping[str, type[ApiModel]]) -> list[str]:
    """Lists the status fields, as `TrainingJob.status.stop`, that the served schemas lack; empty: all are known.

    Args:
        kube: the API server.
        models: kind → model of its status.

    Raises:
        KubeError: the schemas can't be read.
    """
    document = await kube.get(_PATH) or {}
    schemas = document.get("components", {}).get("schemas", {})
    served = {_kind_of(schema): schema for schema in schemas.values()}
    missing = []
    for kind, model in models.items():
        known = served.get(kind, {}).get("properties", {}).get("status", {}).get("properties", {})
        names = (to_api_case(name) for name in model.model_fields)
        missing += [f"{kind}.status.{name}" for name in names if name not in known]
    return missing


def _kind_of(schema: Mapping[str, Any]) -> str:
    """Names the kind of our group that a schema is of; empty for any other."""
    kinds = schema.get("x-kubernetes-group-version-kind", ())
    return next((str(each["kind"]) for each in kinds if each.get("group") == API_GROUP), "")
