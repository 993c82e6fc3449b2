"""Rules that span more than one bound, each in two forms: CEL for the API server, Python where there is none.

Place in the data's way: station 1. One `Rule` gives both, so that `python -m trainyard_trainer run` refuses what
`kubectl apply` refuses, in the same words. Pure; what a rule is for stands where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

BROKEN_RULE = "broken_rule"
"""Type of the pydantic error that a broken rule raises."""


def to_api_case(name: str) -> str:
    """Spells a Python field name as the API does: `max_cost_usd` is `maxCostUSD`, as Kubernetes writes acronyms."""
    camel = to_camel(name)
    return camel[: -len("Usd")] + "USD" if camel.endswith("Usd") else camel


def broken(message: str, got: object, field: str = "") -> PydanticCustomError:
    """Makes the error of a broken rule; `field` (API spelling, dotted) is relative to where it is raised."""
    return PydanticCustomError(BROKEN_RULE, "{message}", {"message": message, "got": got, "field": field})


@dataclass(frozen=True)
class Rule:
    """A rule on a value, or on the object that holds `field`.

    Attributes:
        cel: what the API server evaluates; `self` is the value, or the object.
        message: how the error goes on after the field's path.
        holds: the same rule in Python, given the value or the object; None for a transition rule, which only a server
            that knows the old object can check.
        field: Python name of the member at fault, where the rule stands on the object.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    field: str = ""

    def entry(self) -> dict[str, str]:
        """Makes the rule an item of `x-kubernetes-validations`."""
        item = {"rule": self.cel, "message": self.message}
        return item | {"fieldPath": f".{api_path(self.field)}"} if self.field else item

    def check(self, value: Any) -> Any:
        """Returns the value if the rule holds for it.

        Raises:
            PydanticCustomError: it doesn't hold.
        """
        if self.holds is not None and not self.holds(value):
            raise broken(self.message, _member(value, self.field), api_path(self.field))
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checks the rule after the bounds of the field that it annotates."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the rule to the schema of the field that it annotates."""
        json_schema = handler(schema)
        json_schema.setdefault("x-kubernetes-validations", []).append(self.entry())
        return json_schema


@dataclass(frozen=True)
class ListMap:
    """A list whose items are told apart by `key`: the API server merges and refuses duplicates by it, Python too."""

    key: str

    def check(self, items: Any) -> Any:
        """Returns the items if no two have the same key.

        Raises:
            PydanticCustomError: two have.
        """
        keys = [getattr(item, self.key) for item in items]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise broken(f"items must differ in {to_api_case(self.key)}", twice)
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuses duplicates in the field that it annotates."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Names the key in the schema of the field that it annotates."""
        return handler(schema) | {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [to_api_case(self.key)],
        }


ATOMIC = Field(json_schema_extra={"x-kubernetes-list-type": "atomic"})
"""A list that is replaced as a whole."""


def stored_up_to(most: int, of: str = "maxItems") -> Any:
    """Bounds what is written, by the API server alone: what one has stored under a later bound is read in full.

    Args:
        most: how many.
        of: `maxItems` of a list, `maxProperties` of an object.
    """
    return Field(json_schema_extra={of: most})


def immutable(field: str, *, optional: bool = False, kind: str = "TrainingJob") -> Rule:
    """Makes the rule for the parent of `field` that refuses adding, removing or changing it after creation.

    It stands on the parent because a rule on the field itself doesn't run when the field appears or vanishes.
    """
    path = api_path(field)
    cel = f"self.{path} == oldSelf.{path}"
    if optional:
        cel = f"has(self.{path}) == has(oldSelf.{path}) && (!has(self.{path}) || {cel})"
    return Rule(cel, f"is immutable; apply a {kind} of another name instead", field=field)


def never_falls(field: str) -> Rule:
    """Makes the rule that the sum in `field` may neither fall nor vanish, whoever writes it."""
    path = api_path(field)
    return Rule(
        f"!has(oldSelf.{path}) || (has(self.{path}) && quantity(self.{path}).compareTo(quantity(oldSelf.{path})) >= 0)",
        "may not fall or vanish",
        field=field,
    )


def exactly_one(members: tuple[str, ...]) -> dict[str, str]:
    """Makes the item of `x-kubernetes-validations` that wants exactly one of `members` set."""
    names = [to_api_case(name) for name in members]
    given = ", ".join(f"has(self.{name})" for name in names)
    return {"rule": f"[{given}].exists_one(given, given)", "message": f"exactly one of {', '.join(names)} must be set"}


def api_path(field: str) -> str:
    """Spells a dotted Python path as the API does."""
    return ".".join(to_api_case(part) for part in field.split("."))


def _member(value: Any, field: str) -> Any:
    for part in filter(None, field.split(".")):
        value = getattr(value, part, None)  # of an absent object every member is absent
    return value
