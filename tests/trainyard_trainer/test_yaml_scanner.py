"""Claims about YAML's grammar where PyYAML and goyaml.v2, kubectl's reader, differ: the latter has read each text."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from trainyard_trainer.local.yaml_values import yaml_value

READ: list[tuple[str, Any]] = [
    ("a:\tb\t# c\n", {"a": "b"}),
    ("{\n\ta: b\n}\n", {"a": "b"}),
    ("a: x\ty\n", {"a": "x\ty"}),
    ("a: x\n \ty\n", {"a": "x y"}),
    ("[a, ?b]\n", ["a", {"b": None}]),
    ("{a:1, b: 2}\n", {"a:1": None, "b": 2}),
    ("[http://a:b]\n", ["http://a:b"]),
    ('{"a":1}\n', {"a": 1}),
    ("a: |\t# c\n  x\n", {"a": "x\n"}),
    ("a: |2+\n   x\n\n", {"a": " x\n\n"}),
    ("a: >-\n  x\n  y\n", {"a": "x y"}),
    ("a: !\n", {"a": ""}),
    ("a: !<tag:yaml.org,2002:int> 8\n", {"a": 8}),
    ("%YAML 1.1\n---\na: b\n", {"a": "b"}),
    ("%TAG !e! tag:yaml.org,2002:\n---\na: !e!int '8'\n", {"a": 8}),
    ("a: b\u2028c: d\n", {"a": "b", "c": "d"}),
]

REFUSED = [
    ("\ta: b\n", "cannot start any token"),
    ("a:\n\tb: c\n", ""),
    ("-\t- a\n", "cannot start any token"),
    ("- \ta\n", "cannot start any token"),
    ("a: x\n\ty\n", "tab character that violates indentation"),
    ("a: |\n  x\n\ty\n", ""),
    ("a: |\n\tx\n", "tab character where an indentation space"),
    ("a: |0\n  x\n", "indentation indicator equal to 0"),
    ("a: | x\n  y\n", "did not find expected comment or line break"),
    ("%YAML 1.2\n---\na: b\n", "incompatible YAML document"),
    ("%YAML 1.1\n%YAML 1.1\n---\na: b\n", "duplicate"),
    ("%FOO\n---\na: b\n", "unknown directive"),
    ("a: !<x\n", "'>'"),
    ("a: !x{y\n", "whitespace or line break"),
    ("a: b: c\n", "mapping values are not allowed"),
    ("a: 'x\n--- y'\n", "unexpected document separator"),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_a_text_is_taken_as_kubectl_takes_it(text: str, value: Any) -> None:
    """Tabs, indicators in flow collections, headers of block scalars, tags and directives."""
    assert yaml_value(text) == value


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_text_is_refused_as_kubectl_refuses_it(text: str, words: str) -> None:
    """With the reason, and the line where there is one."""
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml_value(text)
    assert words in str(caught.value)
    assert caught.value.problem_mark is not None


def test_lines_are_counted_from_the_files_first() -> None:
    """A document that isn't the file's first is told by the file's own lines."""
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml_value("a: b\nc: [\n", 10)
    assert caught.value.problem_mark is not None
    assert caught.value.problem_mark.line == 12
