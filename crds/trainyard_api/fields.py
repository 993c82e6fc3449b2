"""The kinds of values a manifest may hold, each with its bound, and the base class of every API model.

Place in the data's way: station 1, the manifest. Rules that a schema can say stand here once; nothing here knows what a
field is for.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

API_GROUP = "trainyard.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"


def to_api_case(name: str) -> str:
    """A Python field name as the API spells it: `max_cost_usd` is `maxCostUSD`, as Kubernetes writes acronyms."""
    camel = to_camel(name)
    return camel[: -len("Usd")] + "USD" if camel.endswith("Usd") else camel


def rule(cel: str, message: str, *, field_path: str = "") -> dict[str, str]:
    """One entry of `x-kubernetes-validations`; `field_path` (as `.model`) makes the error name the field itself."""
    entry = {"rule": cel, "message": message}
    return entry | {"fieldPath": field_path} if field_path else entry


def immutable(field: str, *, optional: bool = False) -> dict[str, str]:
    """A transition rule for the parent of `field`: adding, removing or changing it after creation is refused.

    It stands on the parent because a rule on the field itself doesn't run when the field appears or vanishes.
    """
    cel = f"self.{field} == oldSelf.{field}"
    if optional:
        cel = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {cel})"
    return rule(cel, f"{field} is immutable; apply a TrainingJob of another name instead", field_path=f".{field}")


class ApiModel(BaseModel):
    """Base of every API model: camelCase on the wire, unknown fields ignored (an older operator meets a newer CRD).

    A caller that must refuse unknown fields passes `extra="forbid"` to `model_validate`. `one_of` names optional
    members of which exactly one must be set; the schema generator turns it into a CEL rule.
    """

    model_config = ConfigDict(
        alias_generator=to_api_case, populate_by_name=True, frozen=True, use_attribute_docstrings=True, extra="ignore"
    )
    one_of: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _exactly_one_member(self) -> Self:
        if self.one_of:
            given = [to_api_case(name) for name in self.one_of if getattr(self, name) is not None]
            if len(given) != 1:
                names = ", ".join(to_api_case(name) for name in self.one_of)
                raise ValueError(f"exactly one of {names} must be set; got {', '.join(given) or 'none'}")
        return self

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as Kubernetes stores it: camelCase, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def cel(*rules: dict[str, str]) -> dict[str, Any]:
    """Extra schema that attaches CEL rules to a field."""
    return {"x-kubernetes-validations": list(rules)}


# Decimal strings: the API has no floats, so that what is stored is exactly what is shown.
Money = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", max_length=16)]
"""US dollars, not negative, at most six decimal places."""

SignedDecimal = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$", max_length=20)]
"""A plain decimal number."""

LearningRate = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9](\.[0-9]{1,9})?([eE]-[0-9]{1,2})?$", max_length=16),
    Field(json_schema_extra=cel(rule("double(self) <= 1.0", "must be a number from 0 to 1"))),
]
"""A learning rate from 0 to 1, as `1e-3` or `0.001`."""

ObservedDecimal = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$", max_length=32)]
"""A measured number, in plain decimal notation."""

Quantity = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", max_length=16),
]
"""A Kubernetes resource quantity."""

ObjectName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)
]
"""The name of an object in the same namespace."""

JobName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=40)]
"""The name of a TrainingJob: at most 40 characters, no dots."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", min_length=1, max_length=63)]
"""The name of a task, a reward or an option."""

Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", max_length=63)]
"""An S3 bucket name."""

KeyPrefix = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9_=-][A-Za-z0-9_.=-]*(/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*)?$", max_length=256),
]
"""A key prefix inside a bucket: path segments without a leading or trailing slash; none begins with a dot."""

Endpoint = Annotated[
    str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._/-]*)?$", max_length=256)
]
"""The URL of an S3 endpoint."""

Uri = Annotated[str, StringConstraints(pattern=r"^(s3|file)://[^\s]+$", max_length=1024)]
"""Where the files of a checkpoint lie."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
"""The SHA-256 of a checkpoint's manifest."""

Uid = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
"""The uid of an object."""

Time = Annotated[
    str,
    StringConstraints(max_length=32),
    Field(json_schema_extra={"format": "date-time"}),
]
"""A point in time, RFC 3339, UTC."""

Text = Annotated[str, StringConstraints(max_length=256)]
LongText = Annotated[str, StringConstraints(max_length=1024)]
