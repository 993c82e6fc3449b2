"""Claims about what is said of a bad manifest where there is no API server."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import InitErrorDetails
from pydantic_core._pydantic_core import list_all_errors

from hack.generate.crd import definition
from tests.contract import bases, cel_breaks
from tests.contract.cel_breaks import changed
from tests.contract.rules import Rule, break_bound, rules
from trainyard_api.manifest import check_manifest
from trainyard_api.training_job import TrainingJob
from trainyard_api.validation import MAX_SHOWN, explain, field_path, shown

SCHEMA = definition(TrainingJob)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
CEL = "x-kubernetes-validations"
BOUNDS = [rule for rule in rules(SCHEMA["properties"]["spec"], ("spec",)) if rule.keyword != CEL]


def faults(body: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest."""
    with pytest.raises(ValidationError) as caught:
        check_manifest(body)
    return explain(caught.value)


def minimal(**changes: Any) -> dict[str, Any]:
    """The smallest manifest, changed at dotted places whose dots are written as `__`."""
    return changed(bases.example("minimal"), {place.replace("__", "."): value for place, value in changes.items()})


@pytest.mark.parametrize("name", sorted(path.stem for path in bases.EXAMPLES.glob("*.yaml")))
def test_every_example_is_legal(name: str) -> None:
    """Every manifest of crds/examples holds no unknown field and breaks no rule."""
    assert check_manifest(bases.example(name)).kind == "TrainingJob"


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in BOUNDS])
def test_bound_is_checked_in_python_too(rule: Rule) -> None:
    """What the API server refuses by a bound, Python refuses, naming the same field."""
    broken = break_bound(rule, bases.training_jobs())
    field = broken.field.rpartition("[")[0] if rule.keyword == "x-kubernetes-list-map-keys" else broken.field
    assert any(line.startswith(f"{field}: ") and "; got " in line for line in faults(broken.body)), faults(broken.body)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        pytest.param(key, changes, id=f"{' '.join(key)} {number}")
        for key, several in cel_breaks.ON_CREATE.items()
        for number, changes in enumerate(several)
    ],
)
def test_cel_rule_is_checked_in_python_too(key: tuple[str, ...], changes: dict[str, Any]) -> None:
    """What the API server refuses by CEL when a job is created, Python refuses, naming the same field."""
    place, field, *_ = key
    path = ".".join(part for part in (place.replace("root", ""), field.lstrip(".")) if part).replace(".[]", "[0]")
    lines = faults(changed(bases.training_jobs()[0], changes))
    assert any(line.startswith(path) and "; got " in line for line in lines), lines


def test_unknown_field_is_named() -> None:
    """A field that the API doesn't have is refused with its path and value."""
    assert faults(minimal(spec__budgett={"maxCostUSD": "1"})) == [
        'spec.budgett: is not a field of this API; got {"maxCostUSD": "1"}'
    ]


def test_bare_number_is_refused() -> None:
    """YAML's bare 1e-3 is a number, not the decimal string that the API stores."""
    lines = faults(minimal(spec__algorithm__sft={"steps": 1, "learningRate": 0.001}))
    assert lines == ["spec.algorithm.sft.learningRate: must be a string (quote it); got 0.001"]


def test_every_fault_has_a_line() -> None:
    """All faults are told at once, in the order of the fields."""
    lines = faults(minimal(spec__algorithm__sft__steps=0, spec__budget__maxCostUSD="0", metadata__name="a.b"))
    assert [line.split(":")[0] for line in lines] == ["spec.algorithm.sft.steps", "spec.budget.maxCostUSD"]


def test_missing_field_shows_no_value() -> None:
    """What isn't there is shown as nothing, not as its parent."""
    body = minimal()
    del body["spec"]["database"]
    assert faults(body) == ["spec.database: is required; got nothing"]


def test_long_value_is_cut() -> None:
    """A message repeats at most `MAX_SHOWN` characters of a value."""
    assert len(shown("x" * 1000)) == MAX_SHOWN
    assert shown(["x"] * 1000).endswith("…")
    assert shown(None) == "nothing"


def _holds_itself() -> list[Any]:
    found: list[Any] = [1]
    found.append(found)
    return found


def _deep() -> Any:
    found: Any = "x"
    for _ in range(100_000):
        found = [found]
    return found


class Unspeakable:
    """A value that can't even be written."""

    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True, 0.5]}, '{"a": [1, null, true, 0.5]}'),
        ("a\nb\x1b\x7f\u2028\ud83d\0é", '"a\\nb\\u001b\\x7f\\u2028\\ud83d\\u0000é"'),
        ({dt.date(2026, 1, 2): 1, (1, 2): 2}, '{"2026-01-02": 1, [1, 2]: 2}'),
        (10**5000, "a number of 16610 bits"),
        (float("nan"), "NaN"),
        (b"x", "a value of type bytes"),
        (Unspeakable(), "a value of type Unspeakable"),
        ({"a": Unspeakable()}, '{"a": a value of type Unspeakable}'),
    ],
    ids=range(8),
)
def test_every_value_can_be_shown(value: Any, text: str) -> None:
    """On one line, whatever it is: odd keys, control characters, numbers of any length."""
    assert shown(value) == text
    assert shown(value).isprintable()


@pytest.mark.parametrize("value", [_holds_itself(), _deep(), {"k" * 1_000_000: "v"}, ["x"] * 1_000_000], ids=range(4))
def test_no_value_is_too_much(value: Any) -> None:
    """One that holds itself, goes deep or is long is cut like any other."""
    assert len(shown(value)) == MAX_SHOWN


def test_field_path_is_kubectls() -> None:
    """Paths have dots between names and brackets around numbers; odd names are escaped, long ones cut."""
    assert field_path(["spec", "task", "rewards", 0, "weight"]) == "spec.task.rewards[0].weight"
    assert field_path(["spec", "task", "options", "no word", "[key]"]) == "spec.task.options.no word"
    assert field_path(["spec", "tags", "a\nb\ud83d"]) == "spec.tags.a\\nb\\ud83d"
    assert len(field_path(["spec", "tags", "k" * 100_000])) == len("spec.tags.") + MAX_SHOWN
    assert field_path([]) == "manifest"


def _refuse(text: str) -> str:
    raise ValueError(f"no {{value}} like {text}\n{{0}} %s")


class Odd(BaseModel):
    """A model whose faults have types that the API's own have not."""

    when: dt.date = dt.date(2026, 1, 2)
    """A date."""
    number: Annotated[int, Field(multiple_of=2)] = 0
    """An even number."""
    text: Annotated[str, AfterValidator(_refuse)] = "x"
    """A text that is always refused."""


def test_every_kind_of_fault_has_a_line() -> None:
    """Faults that no rule of the API makes are told too, whatever braces their texts hold."""
    with pytest.raises(ValidationError) as caught:
        Odd.model_validate({"when": "x{y}", "number": 3, "text": "{z}"})
    lines = explain(caught.value)
    assert [line.split(": ")[0] for line in lines] == ["when", "number", "text"]
    assert all("is invalid: " in line and "; got " in line and line.isprintable() for line in lines)


@pytest.mark.parametrize("known", list_all_errors(), ids=lambda known: known["type"])
def test_every_error_type_of_pydantic_has_a_line(known: dict[str, Any]) -> None:
    """No type of fault that pydantic knows ends in a KeyError."""
    context = known["example_context"]
    fault = InitErrorDetails(type=known["type"], loc=("spec", "x"), input={"a": 1}, ctx=context or {})
    lines = explain(ValidationError.from_exception_data("Manifest", [fault]))
    assert len(lines) == 1
    assert lines[0].startswith("spec.x: ")
    assert "; got " in lines[0]
    assert lines[0].isprintable()
