"""Claims about what a file holds: documents of JSON and YAML, in the encodings that kubectl reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from trainyard_trainer.local.manifest_text import documents

READ: list[tuple[bytes, list[Any]]] = [
    (b"", []),
    (b"\n---\n---\n# nothing\n---\nnull\n", []),
    (b"a: 1", [{"a": 1}]),
    (b"---\na: 1\n---\n---\nb: 2\n--- # c\n", [{"a": 1}, {"b": 2}]),
    (b"a: |\r\n  x\r\nb: 1\r\n", [{"a": "x\n", "b": 1}]),
    (b"\xef\xbb\xbfa: 1\n", [{"a": 1}]),
    ("a: é\n".encode("utf-16"), [{"a": "é"}]),
    (b"\xfe\xff" + "a: é\n".encode("utf-16-be"), [{"a": "é"}]),
    (b"a: \xe9\n", [{"a": "\ufffd"}]),
    (b"a: \xed\xa0\xbd\n", [{"a": "\ufffd\ufffd\ufffd"}]),
    (b'  {"a": 1}', [{"a": 1}]),
    (b'{"a": 1}{"b": 2}\n', [{"a": 1}, {"b": 2}]),
    (b'{"a": 1}\n---\nb: 2\n', [{"a": 1}, {"b": 2}]),
    (b"{a: 1, b: [y]}\n", [{"a": 1, "b": [True]}]),
    (b'{"a": 1, "a": 2}', [{"a": 2}]),
    (b'{"a": NaN}', [{"a": "NaN"}]),
    (rb'{"a": "\ud83d", "b": "\ud83d\ude00"}', [{"a": "\ufffd", "b": "\U0001f600"}]),
    (b'{"a": 9223372036854775808, "b": 5.0, "c": ' + b"9" * 300 + b"}", [{"a": 2.0**63, "b": 5.0, "c": 1e300}]),
]

REFUSED = [
    (b"--- a\n", "line 1: nothing but a comment may follow ---"),
    (b"a: 1\n---b\n", "line 2: nothing but a comment may follow ---"),
    (b"%YAML 1.1\n---\na: 1\n", "document start"),
    (b"a: \0\n", "unacceptable character"),
    ("a: 1\n".encode("utf-32"), "unacceptable character"),
    (b'{"a": 1} x', "at line 1"),
    (b'{"a": 1e400}', "beyond all numbers"),
    (b'{"a": ' + b"9" * 5000 + b"}", "beyond all numbers"),
    (b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}", "deep in each other"),
    (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "deep in each other"),
]


@pytest.mark.parametrize(("data", "values"), READ)
def test_documents_are_kubectls(data: bytes, values: list[Any]) -> None:
    """Marks, encodings, and JSON where a brace comes first, which may go over to YAML."""
    assert documents(data) == values


@pytest.mark.parametrize(("data", "words"), REFUSED)
def test_what_kubectl_cannot_read_is_refused(data: bytes, words: str) -> None:
    """By one kind of error, whatever is wrong."""
    with pytest.raises(yaml.YAMLError) as caught:
        documents(data)
    assert words in str(caught.value)
