"""Claims about rules that exist in CEL and in Python."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import Field, ValidationError

from trainyard_api.fields import ApiModel
from trainyard_api.rules import BROKEN_RULE, ListMap, Rule, exactly_one, immutable, never_falls, to_api_case
from trainyard_api.validation import explain


class Item(ApiModel):
    """An item."""

    name: str
    """Its key."""


class Holder(ApiModel):
    """Holds one of two, and a list."""

    one_of: ClassVar[tuple[str, ...]] = ("left_hand", "right")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.right != 13", "must not be 13", lambda holder: holder.right != 13, field="right"),
    )

    left_hand: int | None = None
    """One."""
    right: int | None = None
    """The other."""
    items: Annotated[list[Item], Field(max_length=3), ListMap("name")] = Field(default_factory=list)
    """Told apart by name."""


@pytest.mark.parametrize(
    ("name", "expected"), [("max_cost_usd", "maxCostUSD"), ("usd_per_hour", "usdPerHour"), ("step", "step")]
)
def test_api_case_writes_acronyms_as_kubernetes_does(name: str, expected: str) -> None:
    """Fields are camelCase, and a trailing usd is USD."""
    assert to_api_case(name) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "manifest: exactly one of leftHand, right must be set; got nothing"),
        (
            {"leftHand": 1, "right": 2},
            'manifest: exactly one of leftHand, right must be set; got ["leftHand", "right"]',
        ),
        ({"right": 13}, "right: must not be 13; got 13"),
        ({"right": 1, "items": [{"name": "a"}, {"name": "a"}]}, 'items: items must differ in name; got ["a"]'),
    ],
)
def test_broken_rule_is_told(body: dict[str, object], expected: str) -> None:
    """A rule that doesn't hold gives field, rule and value."""
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate(body)
    assert [error["type"] for error in caught.value.errors()] == [BROKEN_RULE]
    assert explain(caught.value) == [expected]


def test_rules_stand_in_the_schema() -> None:
    """The schema of a model holds each rule as CEL, and the list's key."""
    schema = Holder.model_json_schema()
    assert schema["x-kubernetes-validations"] == [
        exactly_one(("left_hand", "right")),
        {"rule": "self.right != 13", "message": "must not be 13", "fieldPath": ".right"},
    ]
    assert schema["properties"]["items"]["x-kubernetes-list-map-keys"] == ["name"]


def test_transition_rules_need_a_server() -> None:
    """A rule on the old and the new object has no Python form and refuses nothing here."""
    for rule in (immutable("max_cost_usd"), immutable("a.b_c", optional=True), never_falls("spent_usd")):
        assert rule.holds is None
        assert rule.check("anything") == "anything"
    assert immutable("a.b_c").entry()["fieldPath"] == ".a.bC"
    assert "oldSelf.maxCostUSD" in immutable("max_cost_usd").cel
