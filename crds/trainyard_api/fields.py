"""The kinds of values a manifest may hold, each with its bound, and the base class of every API model.

Place in the data's way: station 1, the manifest. Rules that a schema can say stand here once; nothing here knows what a
field is for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainyard_api.decimals import MEASURED_LENGTH
from trainyard_api.quantities import parse_quantity
from trainyard_api.rules import Rule, broken, exactly_one, to_api_case

API_GROUP = "trainyard.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"

NEW_MANIFEST = "new_manifest"
"""Key in the validation context of a manifest that no API server has stored yet."""


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
        """Adds the model's rules to its schema, as CEL."""
        json_schema = handler.resolve_ref_schema(handler(schema))
        entries = [exactly_one(cls.one_of)] if cls.one_of else []
        entries += [rule.entry() for rule in cls.rules]
        if entries:
            json_schema["x-kubernetes-validations"] = entries
        return json_schema

    def to_wire(self) -> dict[str, Any]:
        """Returns the JSON object as Kubernetes stores it: camelCase, and without members that are null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def formerly(names: Mapping[str, str]) -> BeforeValidator:
    """Reads a value that was stored under a former name; in a new manifest that name is refused.

    Args:
        names: former name → name of today.
    """

    def read(value: Any, info: ValidationInfo) -> Any:
        is_stored = not (info.context or {}).get(NEW_MANIFEST)
        return names.get(value, value) if is_stored and isinstance(value, str) else value

    return BeforeValidator(read)


# One character that is neither blank nor control character. Go and Rust, who match the patterns, differ in what \s is.
_VISIBLE = r"[^\x00-\x20\x7f]"

Count = Annotated[int, Field(ge=0, le=2**53)]
"""A number of things; JSON readers hold whole numbers up to 2^53."""

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

CPU = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?[mk]?$", max_length=16),
    Rule(
        "quantity(self).compareTo(quantity('10m')) >= 0 && quantity(self).compareTo(quantity('10k')) <= 0",
        "must be from 10m to 10k cores",
        lambda cpu: parse_quantity("10m") <= parse_quantity(cpu) <= parse_quantity("10k"),
    ),
]
"""A number of cores: a process with less than a hundredth of one doesn't start."""

Memory = Annotated[
    str,
    # No thousandths: 512m is half a byte.
    StringConstraints(pattern=r"^[0-9]{1,15}((\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi))?$", max_length=24),
    Rule(
        "quantity(self).compareTo(quantity('64Mi')) >= 0 && quantity(self).compareTo(quantity('1Pi')) <= 0",
        "must be from 64Mi to 1Pi",
        lambda memory: parse_quantity("64Mi") <= parse_quantity(memory) <= parse_quantity("1Pi"),
    ),
]
"""A number of bytes: a process with less memory than an interpreter needs ends before it can say why."""

DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
"""The names that Kubernetes gives to objects: RFC 1123 labels with dots between them."""

ObjectName = Annotated[str, StringConstraints(pattern=rf"^{DNS_SUBDOMAIN}$", min_length=1, max_length=253)]
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

LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=rf"^({DNS_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$", min_length=1, max_length=317
    ),
    Rule(
        "self.indexOf('/') <= 253",
        "must have at most 253 characters before its slash",
        lambda key: key.find("/") <= 253,
    ),
]
"""A label or taint key: a name of at most 63 characters, perhaps behind a domain and a slash."""

LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
"""A label or taint value."""

_REGISTRY = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\]"
_REPOSITORY = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_DIGEST = r"@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,256}"

ImageReference = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(({_REGISTRY})(:[0-9]{{1,5}})?/)?{_REPOSITORY}(/{_REPOSITORY})*"
        rf"(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?({_DIGEST})?$",
        max_length=512,
    ),
]
"""An image as container runtimes name it: another form would never be pulled."""

_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?"

Endpoint = Annotated[
    str,
    StringConstraints(
        pattern=rf"^https?://({_HOST}|\[[0-9A-Fa-f:]+\])(:[0-9]{{1,5}})?(/[A-Za-z0-9._/-]*)?$", max_length=256
    ),
    Rule(
        "url(self).getPort() == '' || (int(url(self).getPort()) > 0 && int(url(self).getPort()) < 65536)",
        "must have a port from 1 to 65535",
        lambda url: _port(url) in range(1, 65_536),
    ),
    Rule(
        "!self.contains('[') || isIP(self.substring(self.indexOf('[') + 1, self.indexOf(']')))",
        "must have an IPv6 address in its brackets",
        lambda url: "[" not in url or _is_ipv6(url[url.index("[") + 1 : url.index("]")]),
    ),
]
"""The URL of a server: scheme, host, port and path; no login, no query."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", min_length=1, max_length=253)]
"""The name of a file, as a key of a ConfigMap may be."""

Uri = Annotated[str, StringConstraints(pattern=rf"^(s3|file)://{_VISIBLE}+$", max_length=1024)]
"""Where the files of a checkpoint lie."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
"""The SHA-256 of a checkpoint's manifest."""

Uid = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
"""The uid of an object."""


def _readable(time: str) -> str:
    try:
        datetime.fromisoformat(time).astimezone(UTC)
    except (ValueError, OverflowError):
        raise broken("must be a point in time, as 2026-01-02T03:04:05Z", time) from None
    return time


Time = Annotated[
    str,
    StringConstraints(max_length=32),
    Field(json_schema_extra={"format": "date-time"}),
    # The API server takes an offset of 99 hours, and the year 0.
    AfterValidator(_readable),
]
"""A point in time, RFC 3339, UTC."""

AbsolutePath = Annotated[str, StringConstraints(pattern=rf"^/{_VISIBLE}*$", max_length=512)]
"""A path without blanks: what the system calls take, NUL not among it."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=256)]
"""Words on one line, without control characters: ledgers and trackers take them."""

Passage = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", max_length=16_384)]
"""A text of several lines, without control characters but newline and tab."""

LongText = Annotated[str, StringConstraints(max_length=1024)]
"""What an operator or a trainer says of an object."""


def _port(url: str) -> int:
    """Returns the port that a URL names, or 80 where it names none."""
    found = re.match(r"https?://[^/]*?:([0-9]+)(/|$)", url)
    return 80 if found is None or url[: found.start(1)].count("[") > url[: found.start(1)].count("]") else int(found[1])


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).ipv4_mapped is None
    except ValueError:
        return False
