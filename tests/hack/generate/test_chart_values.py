"""The chart's files are made of its settings; that each has an effect, tests/chart/test_values.py says."""

from __future__ import annotations

import json

import pytest
import yaml

from hack.generate.chart_settings import Section, Values
from hack.generate.chart_values import UndocumentedValueError, chart_readme, text_of, values_schema, values_yaml


class Inner(Section):
    """The section's own text."""

    count: int = 1


class Outer(Section):
    """A section."""

    part: Inner = Inner()


def test_a_section_brings_its_text_and_a_value_needs_one() -> None:
    """The error names the class and the field."""
    assert text_of(Outer, "part", Outer.model_fields["part"]) == "The section's own text."
    with pytest.raises(UndocumentedValueError, match=r"^Inner\.count: every value needs a text"):
        text_of(Inner, "count", Inner.model_fields["count"])


def test_the_file_reads_back_as_the_defaults() -> None:
    """Every line that isn't a value is a comment, none longer than a screen."""
    assert yaml.safe_load(values_yaml()) == Values().model_dump(mode="json", by_alias=True)
    assert max(map(len, values_yaml().splitlines())) <= 120


def test_the_schema_forbids_what_is_unknown_but_a_parents_values() -> None:
    """A chart that depends on this one hands it `global`."""
    schema = json.loads(values_schema())
    assert schema["additionalProperties"] is False
    assert schema["properties"]["global"]["type"] == "object"
    assert '"title"' not in values_schema()


def test_the_readme_is_its_introduction_and_a_row_for_each_value() -> None:
    """With the default as JSON, as `--set-json` takes it."""
    text = chart_readme("# Chart\n\nHello.\n")
    assert "\n# Chart\n\nHello.\n" in text
    assert "\n| `operator.tickSeconds` | `5` | Seconds between" in text
    assert '\n| `image.pullPolicy` | `"IfNotPresent"` | imagePullPolicy of both. |\n' in text
