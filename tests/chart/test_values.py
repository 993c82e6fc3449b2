"""Claims about the chart's values: each has a text, a default that its schema takes, and an effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hack.generate.chart_settings import Section, Values
from hack.generate.chart_values import text_of
from tests.chart.rendering import CHART, helm, template

pytestmark = pytest.mark.integration

# For each value, another one that must change what is installed.
OTHERS: dict[str, Any] = {
    "image.operator": "another:1",
    "image.trainer": "another:2",
    "image.pullPolicy": "Always",
    "image.pullSecrets": ["registry"],
    "trainer.pullSecrets": ["registry"],
    "trainer.runtimeClassName": "nvidia",
    "trainer.ephemeralStorage": "50Gi",
    "trainer.sharedMemory": "8Gi",
    "database.secretName": "another",
    "prices.gpus": [{"product": "A100", "usdPerGPUHour": "1"}],
    "prices.usdPerCoreHour": "9",
    "prices.usdPerGiBHour": "9",
    "prices.unknownPrice": "Allow",
    "watchNamespaces": ["team-a"],
    "crds.install": False,
    "admissionPolicy.enabled": False,
    "admissionPolicy.exemptUsers": ["jo"],
    "operator.logLevel": "DEBUG",
    "operator.logFormat": "plain",
    "operator.tickSeconds": 7,
    "operator.keepFinishedSeconds": 7,
    "operator.resources": {"requests": {"cpu": "1"}},
    "operator.nodeSelector": {"a": "b"},
    "operator.tolerations": [{"operator": "Exists"}],
    "operator.affinity": {"nodeAffinity": {}},
    "operator.priorityClassName": "high",
    "operator.podAnnotations": {"a": "b"},
    "serviceAccount.annotations": {"a": "b"},
    "metrics.service": False,
    "metrics.serviceMonitor.enabled": True,
    "metrics.serviceMonitor.interval": "7s",
    "metrics.serviceMonitor.labels": {"a": "b"},
    "networkPolicy.enabled": True,
    "networkPolicy.apiServerPorts": [1234],
    "networkPolicy.databasePort": 1234,
}
# What must be on for a value to have an effect.
TOGETHER_WITH = {
    "metrics.serviceMonitor.": {"metrics.serviceMonitor.enabled": True},
    "networkPolicy.": {"networkPolicy.enabled": True},
}


def leaves(section: Section, prefix: str = "") -> Iterator[str]:
    """The dotted names of all values."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        path = f"{prefix}{field.alias}"
        yield from leaves(value, f"{path}.") if isinstance(value, Section) else [path]


def commented_keys(lines: list[str]) -> list[tuple[str, bool]]:
    """Every key of values.yaml, and whether a comment stands right above it."""
    keys = [
        (number, line) for number, line in enumerate(lines) if line.strip() and line.split(":")[0].strip().isalnum()
    ]
    return [(line.strip(), lines[number - 1].strip().startswith("#")) for number, line in keys]


def test_every_value_has_a_text() -> None:
    """No value and no section is without a text."""

    def texts(section: Section) -> Iterator[str]:
        for name, field in type(section).model_fields.items():
            yield text_of(type(section), name, field)
            if isinstance(getattr(section, name), Section):
                yield from texts(getattr(section, name))

    assert all(texts(Values()))


def test_every_key_of_the_file_has_a_comment() -> None:
    """In values.yaml a comment stands above every section and every value."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    keys = dict(commented_keys(lines))
    inner = {"requests:", "limits:", 'cpu: "100m"', 'memory: "192Mi"', 'memory: "512Mi"'}
    assert {key for key, commented in keys.items() if not commented} <= inner
    assert len(keys) > len(OTHERS)


def test_file_holds_the_defaults() -> None:
    """values.yaml is what the model defaults to, so schema and file can't drift apart."""
    assert yaml.safe_load((CHART / "values.yaml").read_text()) == Values().model_dump(mode="json", by_alias=True)


def test_every_value_is_tried() -> None:
    """The table below names each value once, and none that is gone."""
    assert set(leaves(Values())) == set(OTHERS)


@pytest.mark.parametrize("name", OTHERS)
def test_every_value_has_an_effect(name: str) -> None:
    """Setting this value changes what is installed: no value is without a reader."""
    base = next((extra for prefix, extra in TOGETHER_WITH.items() if name.startswith(prefix) and name not in extra), {})
    assert template(base) != template(base | {name: OTHERS[name]})


def test_schema_describes_every_value() -> None:
    """Each property of values.schema.json has a description, so editors can show it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for owner in (schema, *schema["$defs"].values()):
        for name, field in owner["properties"].items():
            target = schema["$defs"][field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else field
            assert field.get("description") or target.get("description"), name


def test_readme_lists_every_value() -> None:
    """The chart's README, as helm shows it, has a row for each value."""
    code, output = helm("show", "readme", str(CHART))
    assert code == 0
    assert all(f"| `{name}` |" in output for name in OTHERS)
