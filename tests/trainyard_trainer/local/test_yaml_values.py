"""Claims about what a YAML text stands for: the values are those that kubectl made of the same texts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.waiting import GUARD_SECONDS
from trainyard_trainer.local.yaml_values import MAX_DEPTH, yaml_value

READ: list[tuple[str, Any]] = [
    *[
        ("1e-3", 0.001),
        ("1E+3", 1000),
        (".5", 0.5),
        ("5.", 5),
        ("8.0", 8),
        ("1e21", 1e21),
        ("-1e-400", 0),
        ("1e400", "1e400"),
    ],
    *[("0o10", 8), ("010", 8), ("09", 9), ("0x1F", 31), ("0X1f", 31), ("-0b101", -5), ("0b2", "0b2"), ("0x_1", 1)],
    *[("1_000", 1000), ("_1", "_1"), ("1_", 1), ("+", "+"), ("..", ".."), ("1.2.3", "1.2.3"), ("1:30", "1:30")],
    *[
        ("y", True),
        ("No", False),
        ("oN", "oN"),
        ("on", True),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("nULL", "nULL"),
    ],
    *[("2001-01-01", "2001-01-01"), ("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z"), ("<<", "<<"), ("=", "=")],
    *[("18446744073709551615", 2**64 - 1), ("1" + "0" * 5000, "1" + "0" * 5000)],
    *[("!!str 8", "8"), ('!!int "8"', 8), ("!!float 8", 8), ("!!bool yes", True), ('!!null ""', None)],
    *[("!!binary aGk=", "hi"), ("!!binary /w==", "\ufffd"), ("!!timestamp 2001-01-01", "2001-01-01")],
    *[("!!python/object/apply:os.system x", "x"), ("!foo 8", "8"), ("! 8", "8"), (r'"\x41\\/"', "A\\/")],
    *[("a:b", "a:b"), ("[a:b]", ["a:b"]), ("!!set {a, b}", {"a": None, "b": None})],
    *[("{a: 1, a: 2}", {"a": 2}), ("{a: 1, <<: {a: 2, b: 3}}", {"a": 2, "b": 3}), ("{<<: {a: 2}, a: 1}", {"a": 1})],
    *[("{<<: [{a: 1}, {a: 2}]}", {"a": 1}), ("[&x {a: b}, {<<: *x}]", [{"a": "b"}] * 2), ("[&x 1, *x]", [1, 1])],
    (
        "{1: a, 1.5: b, 1e6: c, true: d, .nan: e, 2001-01-01: f, -.inf: g, 1e-7: h}",
        {"1": "a", "1.5": "b", "1e+06": "c", "true": "d", ".nan": "e", "2001-01-01": "f", "-.inf": "g", "1e-07": "h"},
    ),
]

REFUSED = [
    *[(".inf", "is no number of JSON"), (".nan", "is no number of JSON"), ("!!int 8.5", "can't be decoded as a !!int")],
    *[
        ("!!int x", "!!int"),
        ("!!float x", "!!float"),
        ("!!bool x", "!!bool"),
        ("!!null x", "!!null"),
        ("!!int ''", "!!int"),
    ],
    *[("!!timestamp x", "!!timestamp"), ("!!binary a", "base64"), ("!e!x 8", "undefined tag handle")],
    *[
        (r'"\ud83d"', "invalid Unicode character"),
        (r'"\UFFFFFFFF"', "invalid Unicode character"),
        (r'"\/"', "escape"),
        (r'"\z"', ""),
    ],
    *[("*x", "unknown anchor 'x'"), ("&x [*x]", "that it refers to"), ("&x {<<: *x}", "that it refers to")],
    *[("{[a]: 1}", "a key must be"), ("{null: 1}", "a key must be"), ("{18446744073709551615: 1}", "a key must be")],
    *[
        ("{<<: a}", "map merge"),
        ("{<<: [a]}", "map merge"),
        ("[a", "expected ',' or ']'"),
        ("@a", "cannot start any token"),
    ],
]

# Whole texts.
GRAMMAR_READ: list[tuple[str, Any]] = [
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
    ("\ufeffa: b\n", {"a": "b"}),
    ('\ufeff\ufeffa: "\\\\/"\n', {"a": "\\/"}),
    ("a: '\\/'\n", {"a": "\\/"}),
    ("a: b?c\n", {"a": "b?c"}),
    ("[! , a]\n", ["", "a"]),
    ("[!!str '', !!null '', a]\n", ["", None, "a"]),
    ('{"a?": "b?"}\n', {"a?": "b?"}),
    ("[a]\nb?\n", ["a"]),
]

GRAMMAR_REFUSED = [
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
    ("[b?]\n", "question mark"),
    ("{a: [{b: c}, d?e]}\n", "question mark"),
    ("{a: !!str, b: c}\n", "a blank must follow a tag"),
    ('\ufeff\ufeff"\\/"\n', "solidus"),
    ('a: "é\u2028\r\n\\/"\n', "solidus"),
    ("a: 'x\n--- y'\n", "unexpected document indicator"),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_a_value_is_kubectls(text: str, value: Any) -> None:
    """Numbers, booleans, texts, tags, merge keys, odd keys and equal keys are read as goyaml.v2 reads them."""
    assert yaml_value(f"k: {text}\n") == {"k": value}


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_no_json_is_refused(text: str, words: str) -> None:
    """What kubectl refuses, with the reason and the place."""
    with pytest.raises(yaml.YAMLError) as caught:
        yaml_value(f"k: {text}\n")
    assert words in str(caught.value)


def test_the_first_document_counts() -> None:
    """What follows its end isn't looked at; a text without a document has no value."""
    assert yaml_value("a: 1\n...\n]]]") == {"a": 1}
    assert yaml_value("# nothing\n") is None


def test_aliases_may_not_grow_without_bound() -> None:
    """Nine aliases of nine aliases and so on would be more values than a machine holds."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]" for level in range(12)]
    with pytest.raises(yaml.YAMLError, match="excessive aliasing"):
        yaml_value("\n".join(lines))


def test_a_few_aliases_are_followed() -> None:
    """A list that is repeated a hundred times is no attack."""
    assert yaml_value("a: &a [x, z]\nb: [" + ", ".join(["*a"] * 100) + "]\n")["b"] == [["x", "z"]] * 100


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10**6,
        "{" * 10**6,
        "? " * 10**5,
        "[" * 3000 + "]" * 3000,
        "".join(f"{' ' * level}a:\n" for level in range(200)),
        "- " * 200,
        "\n".join(
            ["a0: &a0 " + "[" * 60 + "]" * 60, *(f"a{n + 1}: &a{n + 1} {'[' * 60}*a{n}{']' * 60}" for n in range(50))]
        ),
    ],
)
def test_depth_is_bounded(text: str) -> None:
    """Thousands of brackets, indentations or nested aliases are a fault of the text, not of Python's stack."""
    with pytest.raises(yaml.YAMLError, match=f"at most {MAX_DEPTH} deep"):
        yaml_value(text)


@pytest.mark.parametrize(("text", "value"), GRAMMAR_READ)
def test_a_text_is_taken_as_kubectl_takes_it(text: str, value: Any) -> None:
    """Tabs, indicators in flow collections, headers of block scalars, tags and directives."""
    assert yaml_value(text) == value


@pytest.mark.parametrize(("text", "words"), GRAMMAR_REFUSED)
def test_a_text_is_refused_as_kubectl_refuses_it(text: str, words: str) -> None:
    """With the reason, and the line where there is one."""
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml_value(text)
    assert words in str(caught.value)
    assert caught.value.problem_mark is not None


# Taken by goyaml.v2, and by libyaml not: nobody writes them, and each is refused, never read as something else.
STRICTER = [
    *[r'a: "\'"', "[a:]", "[a:, b]", "{a:}", "[!x, a]", "[!, a]", "a: !x,y z", "!!, a", "!x[] a", "!%ED%A0%80 a"],
    *["[]k: v", "a: b\n\ufeffc: d\n"],
]


@pytest.mark.parametrize("text", STRICTER)
def test_what_libyaml_refuses_is_refused(text: str) -> None:
    """Where the two differ there is an error and never another value."""
    with pytest.raises(yaml.YAMLError):
        yaml_value(text)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: b\nc: [\n", 12, 0),
        ("a: é\u2028\r\nc: \0\n", 12, 3),
        ("a: b\nc: *x\n", 11, 3),
        ('a: b\nc: d\ne: "\\/"\n', 12, 3),
        ("a: b\r\n\ufeffc: d\n", 11, 0),
    ],
)
def test_lines_are_counted_from_the_files_first(text: str, line: int, column: int) -> None:
    """A document that isn't the file's first is told by the file's own lines, whatever is wrong with it."""
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml_value(text, 10)
    assert caught.value.problem_mark is not None
    assert (caught.value.problem_mark.line, caught.value.problem_mark.column) == (line, column)


def test_libyaml_is_required() -> None:
    """A PyYAML that was built without it is told at once, by name."""
    code = "import sys; sys.modules['yaml._yaml'] = None; import trainyard_trainer.local.yaml_values"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=GUARD_SECONDS
    )
    assert ended.returncode == 1
    assert "ImportError: manifests are read by PyYAML with libyaml" in ended.stderr
