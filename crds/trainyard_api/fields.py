"""The kinds of values a manifest may hold, each with its bound, and the base class of every API model.

Place in the data's way: station 1, the manifest. Rules that a schema can say stand here once; nothing here knows what a
field is for.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainyard_api.decimals import MEASURED_LENGTH
from trainyard_api.rules import Rule, broken, exactly_one, to_api_case

API_GROUP = "trainyard.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"


class ApiModel(BaseModel):
    """Base of every API model: camelCase on the wire, unknown fields ignored (an older operator meets a newer CRD).

    A caller that must refuse unknown fields passes `extra="forbid"` to `model_validate`. `one_of` names optional
    members of which exactly one must be set, `rules` what else must hold of the object; both are checked here and stand
    in the schema as CEL.
    """

    model_config = ConfigDict(
        alias_generator=to_api_case, populate_by_name=True, frozen=True, use_attribute_docstrings=True, extra="ignore"
    )
    one_of: ClassVar[tuple[str, ...]] = ()
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obeys_its_rules(self) -> Self:
        if self.one_of:
            given = [to_api_case(name) for name in self.one_of if getattr(self, name) is not None]
            if len(given) != 1:
                raise broken(exactly_one(self.one_of)["message"], given or None)
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The model's schema with its rules as CEL."""
        json_schema = handler.resolve_ref_schema(handler(schema))
        entries = [exactly_one(cls.one_of)] if cls.one_of else []
        entries += [rule.entry() for rule in cls.rules]
        if entries:
            json_schema["x-kubernetes-validations"] = entries
        return json_schema

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as Kubernetes stores it: camelCase, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


# Decimal strings: the API has no floats, so that what is stored is exactly what is shown.
Money = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", max_length=16)]
"""US dollars, not negative, at most six decimal places."""

SignedDecimal = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$", max_length=20)]
"""A plain decimal number."""

LearningRate = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9](\.[0-9]{1,9})?([eE]-[0-9]{1,2})?$", max_length=16),
    Rule("double(self) <= 1.0", "must be a number from 0 to 1", lambda rate: float(rate) <= 1.0),
]
"""A learning rate from 0 to 1, as `1e-3` or `0.001`."""

Factor = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,9})?([eE]-[0-9]{1,2})?$", max_length=20)]
"""A number that isn't negative, as `0.2` or `3e-4`."""

Share = Annotated[str, StringConstraints(pattern=r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$", max_length=12)]
"""A share from 0 to 1."""

ObservedDecimal = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$", max_length=MEASURED_LENGTH)]
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

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", min_length=1, max_length=253)]
"""The name of a file, as a key of a ConfigMap may be."""

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
