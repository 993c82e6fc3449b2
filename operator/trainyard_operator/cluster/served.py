"""Whether the API server serves our kinds as this version writes them.

Place in the data's way: before station 2. The schema of an older release refuses each status that names a field it
doesn't know, so that an operator that went on would write nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trainyard_api.fields import API_GROUP, API_VERSION, ApiModel
from trainyard_operator.cluster.kube import Kube

_PATH: Final = f"/openapi/v3/apis/{API_VERSION}"


async def unknown_fields(kube: Kube, models: Mapping[str, type[ApiModel]]) -> list[str]:
    """Lists the status fields, as `TrainingJob.status.stop.cause`, that the served schemas lack; empty: all are known.

    Args:
        kube: the API server.
        models: kind → model of its status.

    Raises:
        KubeError: the schemas can't be read.
    """
    document = await kube.get(_PATH) or {}
    schemas = document.get("components", {}).get("schemas", {})
    served = {_kind_of(schema): schema for schema in schemas.values()}
    missing: list[str] = []
    for kind, model in models.items():
        known = served.get(kind, {}).get("properties", {}).get("status", {})
        own = model.model_json_schema(by_alias=True)
        missing += _lacking(own, own.get("$defs", {}), known, f"{kind}.status")
    return missing


def _lacking(own: Mapping[str, Any], parts: Mapping[str, Any], known: Mapping[str, Any], path: str) -> list[str]:
    """Lists what a schema of ours has and a served one lacks, at any depth."""
    for choice in own.get("anyOf", ()):
        if choice.get("type") != "null":
            return _lacking(choice, parts, known, path)
    if "$ref" in own:
        return _lacking(parts[own["$ref"].rpartition("/")[2]], parts, known, path)
    if "items" in own:
        return _lacking(own["items"], parts, known.get("items", {}), path)
    missing: list[str] = []
    for name, schema in own.get("properties", {}).items():
        below = known.get("properties", {}).get(name)
        missing += [f"{path}.{name}"] if below is None else _lacking(schema, parts, below, f"{path}.{name}")
    return missing


def _kind_of(schema: Mapping[str, Any]) -> str:
    """Names the kind of our group that a schema is of; empty for any other."""
    kinds = schema.get("x-kubernetes-group-version-kind", ())
    return next((str(each["kind"]) for each in kinds if each.get("group") == API_GROUP), "")
