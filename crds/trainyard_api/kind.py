"""What all kinds share: metadata, and how kubectl calls and shows them.

Place in the data's way: stations 1 and 11. The schema generator reads names and columns; nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from trainyard_api.fields import ApiModel, Time


@dataclass(frozen=True)
class PrinterColumn:
    """A column of `kubectl get`; `priority` 1 shows it with `-o wide` only."""

    name: str
    json_path: str
    type: str
    description: str
    priority: int = 0


@dataclass(frozen=True)
class KindNames:
    """How a kind is called by kubectl."""

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...] = ("trainyard",)


class ObjectMeta(ApiModel):
    """The part of Kubernetes' metadata that Trainyard reads."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""
    namespace: str = "default"
    """Namespace of the object."""
    uid: str = ""
    """uid given by the API server."""
    generation: int = 0
    """Counts changes of the spec."""
    resource_version: str = ""
    """Version for optimistic locking."""
    creation_timestamp: Time | None = None
    """When the object was created."""
    deletion_timestamp: Time | None = None
    """When deletion was asked for."""
    finalizers: list[str] = []
    """Who must act before the object may go."""
    labels: dict[str, str] = {}
    """Labels."""
    annotations: dict[str, str] = {}
    """Annotations."""
