"""Claims about the generator: what has no place in an API is refused, with the field's path."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from hack.generate.schema import UnfitModelError, structural_schema
from trainyard_api.fields import ApiModel, LongText, Text
from trainyard_api.rules import ATOMIC, Rule


class Fit(ApiModel):
    """A part that is fit."""

    count: Annotated[int, Field(ge=0, le=5)] = 3
    """A number."""
    mode: Literal["A", "B"] | None = None
    """A word."""


class Undocumented(ApiModel):
    """Has a field without a text of its own, though its model has one."""

    part: Fit


class Unbounded(ApiModel):
    """A string of any length."""

    text: str
    """Any text."""


class UnboundedNumber(ApiModel):
    """A number without an upper bound."""

    count: Annotated[int, Field(ge=0)]
    """Any number."""


class UnboundedList(ApiModel):
    """A list of any length."""

    items: list[Text]
    """Any items."""


class UnboundedMap(ApiModel):
    """A map of any size."""

    items: dict[str, Text]
    """Any items."""


class LooseKeys(ApiModel):
    """A map whose keys may be anything."""

    items: Annotated[dict[LongText, Text], Field(max_length=3)]
    """Any keys."""


class PerlClass(ApiModel):
    """A pattern that Go and Rust read differently."""

    text: Annotated[str, Field(pattern=r"^[^\s]+$", max_length=5)]
    """A word."""


class Floating(ApiModel):
    """A float."""

    rate: Annotated[float, Field(ge=0, le=1)]
    """A rate."""


class Either(ApiModel):
    """A union."""

    value: Text | Annotated[int, Field(ge=0, le=1)]
    """A text or a number."""


def _kind(part: type[ApiModel]) -> type[ApiModel]:
    """A kind whose spec is the model."""

    class Kind(ApiModel):
        """A kind."""

        spec: part  # type: ignore[valid-type]
        """What is asked for."""

    Kind.model_rebuild(_types_namespace={"part": part})
    return Kind


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (Undocumented, "Kind.spec.part"),
        (Unbounded, "Kind.spec.text"),
        (UnboundedNumber, "Kind.spec.count"),
        (UnboundedList, "Kind.spec.items"),
        (UnboundedMap, "Kind.spec.items"),
        (LooseKeys, "Kind.spec.items"),
        (PerlClass, "Kind.spec.text"),
        (Floating, "Kind.spec.rate"),
        (Either, "Kind.spec.value"),
    ],
)
def test_unfit_model_is_refused(model: type[ApiModel], path: str) -> None:
    """No field without a text or a bound, no float, no union, no pattern of two meanings; the error names the field."""
    with pytest.raises(UnfitModelError, match=rf"^{path}: "):
        structural_schema(_kind(model))


def test_fit_model_becomes_structural() -> None:
    """References are inlined, null means optional, defaults and bounds are kept, titles dropped."""
    assert structural_schema(_kind(Fit))["properties"]["spec"] == {
        "type": "object",
        "description": "What is asked for.",
        "properties": {
            "count": {
                "type": "integer",
                "format": "int32",
                "description": "A number.",
                "minimum": 0,
                "maximum": 5,
                "default": 3,
            },
            "mode": {"type": "string", "description": "A word.", "enum": ["A", "B"]},
        },
    }


class Items(ApiModel):
    """A list of parts with defaults, and a map of words whose keys have a rule."""

    parts: Annotated[list[Fit], Field(max_length=2), ATOMIC] = Field(default_factory=list)
    """Parts."""
    words: Annotated[
        dict[
            Annotated[str, Field(pattern="^[a-z]+$", max_length=9), Rule("self != 'a'", "may not be a")],
            Text,
        ],
        Field(max_length=3),
        Rule("self.size() != 2", "may not be two"),
    ] = Field(default_factory=dict)
    """Words."""


def test_items_of_a_list_have_no_defaults() -> None:
    """The API server fills in no member of a list's items, or a second apply of the same manifest would change it."""
    schema = structural_schema(_kind(Items))["properties"]["spec"]["properties"]["parts"]
    assert "default" not in str(schema)
    assert schema["items"]["properties"]["count"]["minimum"] == 0
    assert Items(parts=[{"mode": "A"}]).parts[0].count == 3


def test_rules_on_a_map_and_on_its_keys_stand_together() -> None:
    """A structural schema has no word for keys, so the map says what its keys must be, beside its own rules."""
    schema = structural_schema(_kind(Items))["properties"]["spec"]["properties"]["words"]
    assert [entry["message"] for entry in schema["x-kubernetes-validations"]] == [
        "keys must match ^[a-z]+$ and have at most 9 characters",
        "keys may not be a",
        "may not be two",
    ]
    assert schema["x-kubernetes-validations"][1]["rule"] == "self.all(key, key != 'a')"
