"""A manifest's metadata with every member that Kubernetes knows, as the API server takes or refuses it.

Place in the data's way: station 1 where there is no API server. Of what stands here, Trainyard reads what `ObjectMeta`
has; the rest must only be right.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, model_validator

from trainyard_api.fields import DNS_LABEL, DNS_SUBDOMAIN, ApiModel, LabelValue
from trainyard_api.kind import ObjectMeta
from trainyard_api.rules import broken

MAX_ANNOTATIONS = 262_144
"""Most bytes of all annotations, that which `kubectl apply` makes of the manifest itself included."""

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(DNS_SUBDOMAIN)
_TIME = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]+)?(Z|[-+]([01][0-9]|2[0-4]):([0-5][0-9]|60))"
)


def _is_qualified(name: str) -> bool:
    prefix, slash, rest = name.rpartition("/")
    domain = not slash or (len(prefix) <= 253 and _PREFIX.fullmatch(prefix) is not None)
    return domain and _NAME.fullmatch(rest) is not None


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = (int(part) for part in match.groups()[:3])
    # The calendar repeats every 400 years; Python's has no year 0.
    return day <= calendar.monthrange(year + 400, month)[1]


def _is_prefix(text: str) -> bool:
    name = f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text
    return not text or (len(name) <= 253 and _PREFIX.fullmatch(name) is not None)


def _must(rule: str, holds: Callable[[str], bool]) -> AfterValidator:
    """Checks a rule of Kubernetes' own, which has no CEL form."""

    def check(value: str) -> str:
        if not holds(value):
            raise broken(rule, value)
        return value

    return AfterValidator(check)


_QUALIFIED = "must be a name of at most 63 letters, digits, -, _ and ., perhaps behind a domain and a slash"
QualifiedName = Annotated[str, _must(_QUALIFIED, _is_qualified)]
AnnotationKey = Annotated[str, _must(_QUALIFIED, lambda key: _is_qualified(key.lower()))]
Timestamp = Annotated[str, _must("must be a time, as 2026-01-02T03:04:05Z", _is_time)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
_NotEmpty = Annotated[str, Field(min_length=1)]


class ManagedFields(ApiModel):
    """What one manager has set."""

    manager: str = ""
    """Its name."""
    operation: str = ""
    """Apply or Update."""
    api_version: str = ""
    """Version that the fields are of."""
    time: Timestamp | None = None
    """When."""
    fields_type: str = ""
    """Form of `fields_v1`."""
    fields_v1: Any = None
    """The fields."""
    subresource: str = ""
    """Subresource that was written."""


class Owner(ApiModel):
    """An object that this one goes with."""

    api_version: Annotated[str, Field(pattern=r"^([^/]*/)?[^/]+$")]
    """Its version."""
    kind: _NotEmpty
    """Its kind."""
    name: _NotEmpty
    """Its name."""
    uid: _NotEmpty
    """Its uid."""
    controller: bool = False
    """Whether it manages this object."""
    block_owner_deletion: bool = False
    """Whether it stays until this object is gone."""

    @model_validator(mode="after")
    def _can_own(self) -> Owner:
        if (self.api_version, self.kind) == ("v1", "Event"):
            raise broken("may not be Event, which can own nothing", self.kind, "kind")
        return self


class ManifestMeta(ObjectMeta):
    """The metadata of a manifest."""

    name: Annotated[str, StringConstraints(pattern=rf"^{DNS_SUBDOMAIN}$", min_length=1, max_length=253)]
    """Name of the object."""
    namespace: Annotated[
        str,
        BeforeValidator(lambda name: "default" if name == "" else name),
        StringConstraints(pattern=rf"^{DNS_LABEL}$", max_length=63),
    ] = "default"
    """Namespace of the object."""
    generation: Int64 = 0
    """Counts changes of the spec; the server sets it."""
    creation_timestamp: Timestamp | None = None
    """When the object was created; the server sets it."""
    deletion_timestamp: Timestamp | None = None
    """When deletion was asked for; the server sets it."""
    deletion_grace_period_seconds: Int64 | None = None
    """Seconds that a deletion may take; the server sets it."""
    generate_name: Annotated[str, _must("must be the beginning of an object's name", _is_prefix)] = ""
    """Beginning of a name; not used, for there is one."""
    self_link: str = ""
    """A path of former days."""
    finalizers: list[QualifiedName] = []
    """Who must act before the object may go."""
    labels: dict[QualifiedName, LabelValue] = {}
    """Labels."""
    annotations: dict[AnnotationKey, str] = {}
    """Annotations."""
    owner_references: list[Owner] = []
    """Objects that this one goes with."""
    managed_fields: list[ManagedFields | None] = []
    """Who has set what."""

    @model_validator(mode="after")
    def _obeys_kubernetes(self, info: ValidationInfo) -> ManifestMeta:
        if {"orphan", "foregroundDeletion"} <= set(self.finalizers):
            raise broken("may not hold both orphan and foregroundDeletion", self.finalizers, "finalizers")
        controllers = [owner.name for owner in self.owner_references if owner.controller]
        if len(controllers) > 1:
            raise broken("may have one controller", controllers, "ownerReferences")
        size = (info.context or {}).get("annotations_bytes", 0)
        if size > MAX_ANNOTATIONS:
            rule = f"must have at most {MAX_ANNOTATIONS} bytes with the copy of the manifest that kubectl adds"
            raise broken(rule, size, "annotations")
        return self
