"""JSON lines: what is accepted, and errors that name the line."""

from __future__ import annotations

import json
import re

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.jsonl import QuestionFile, read_questions
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError

GOOD = b'{"query": "2 + 2?", "expected_outcome": "4"}\n'


def read(content: bytes) -> QuestionFile:
    """The file's queries, as those of the training set."""
    return read_questions(content, source="sums.jsonl", field_path="spec.task.data.train")


def refusal(content: bytes) -> RefusedError:
    """The error about a file."""
    with pytest.raises(RefusedError) as caught:
        read(content)
    assert caught.value.reason is TerminationReason.INVALID_DATA
    assert caught.value.field_path == "spec.task.data.train"
    return caught.value


def test_queries_keep_their_order_and_their_text() -> None:
    """Also characters beyond ASCII, blanks around, escapes, and separators that aren't line ends of JSON lines."""
    pairs = [("b", "2"), ("a", "1"), ("  ö \u2028 \u0085 \n x", "é"), ("b", "2")]
    lines = "\n".join(
        json.dumps({"query": query, "expected_outcome": text}, ensure_ascii=False) for query, text in pairs
    )
    assert read(lines.encode()).questions == tuple(Question(query, text) for query, text in pairs)


def test_marks_line_ends_and_blank_lines_are_accepted() -> None:
    """A byte order mark, CRLF, blank lines and no last line end change nothing."""
    assert read(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") + b"\r\n \t\n" + GOOD.rstrip()).questions == (
        Question("2 + 2?", "4"),
        Question("2 + 2?", "4"),
    )


@pytest.mark.parametrize("number", ["4", "-0", "1.50", "1e3", "12345678901234567890123", "9" * 5000])
def test_a_number_becomes_the_text_that_stands_in_the_file(number: str) -> None:
    """No float comes between, and no limit on digits."""
    assert read(f'{{"query": "x", "expected_outcome": {number}}}'.encode()).questions[0].expected == number


def test_other_members_are_ignored_and_counted() -> None:
    """The data report says so; a misspelt member would go unseen else."""
    more = b'{"query": "x", "expected_outcome": 1, "source": "book", "level": {"a": [1, null]}}\n'
    assert read(GOOD + more + more).ignored == {"source": 2, "level": 2}
    assert read(GOOD).ignored == {}


@pytest.mark.parametrize(
    ("content", "shown"),
    [(b"", "0 bytes"), (b"\n \r\n", "4 bytes"), (b"\xef\xbb\xbf", "3 bytes")],
)
def test_a_file_without_queries_is_refused(content: bytes, shown: str) -> None:
    """Nothing could be trained on."""
    error = refusal(content)
    assert str(error) == f"spec.task.data.train: sums.jsonl: must hold at least one question; got {shown!r}"


@pytest.mark.parametrize(
    ("line", "rule", "value"),
    [
        (b'{"query": "2 + 2?", "exp', "one JSON object, and breaks off at character 21", '{"query": "2 + 2?", "exp'),
        (GOOD.strip() * 2, "one JSON object, and breaks off at character 45 (Extra data)", '{"query": "2 + 2?"'),
        (b"\xef\xbb\xbf" + GOOD, "must be one JSON object", "\ufeff{"),
        (b'["a", "b"]', "must be a JSON object", '["a", "b"]'),
        (b"null", "must be a JSON object", "null"),
        (b'{"query": "a", "expected": "b"}', "must have the member expected_outcome", "query, expected"),
        (b"{}", "must have the member query", "{}"),
        (b'{"query": 4, "expected_outcome": "b"}', "query must be a string", '"4"'),
        (b'{"query": null, "expected_outcome": "b"}', "query must be a string", "null"),
        (b'{"query": " ", "expected_outcome": "b"}', "query must not be empty", " "),
        (b'{"query": "a", "expected_outcome": ""}', "expected_outcome must not be empty", ""),
        (b'{"query": "a", "expected_outcome": true}', "expected_outcome must be a string or a number", "true"),
        (b'{"query": "a", "expected_outcome": ["b"]}', "expected_outcome must be a string or a number", '["b"]'),
        (b'{"query": "a", "expected_outcome": NaN}', "must be JSON, which has no such number", "NaN"),
        (b'{"query": "a", "query": "b", "expected_outcome": "c"}', "must not have a member twice", "query"),
        (b'{"query": "a\\ud800", "expected_outcome": "c"}', "query must be text", "'a\\ud800'"),
        (b"[" * 100_000, "must not be nested so deeply", "[[["),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_with_its_rule(line: bytes, rule: str, value: str) -> None:
    """The fourth line here, blank ones counted as an editor counts them; the value is cut."""
    error = refusal(GOOD + b"\r\n" + GOOD + line + b"\n" + GOOD)
    assert re.match(r"spec\.task\.data\.train: sums\.jsonl line 4: ", str(error))
    assert rule in str(error)
    assert error.value is not None
    assert error.value.startswith(value)
    assert len(error.value) <= 120
    error.value.encode()


@pytest.mark.parametrize(
    ("content", "where", "value"),
    [
        (GOOD + '{"query": "Höhe"'.encode("latin-1"), "line 2, byte 57 of the file: must be UTF-8;", "0xf6"),
        (GOOD.decode().encode("utf-16"), "line 1, byte 0 of the file: must be UTF-8, but begins as UTF-16;", "0xff"),
        (GOOD + b'{"query": "\xe2\x82', "line 2, byte 56 of the file: must be UTF-8;", "0xe2"),
        (b"\xef\xbb\xbf" + GOOD + b"\xff", "line 2, byte 48 of the file: must be UTF-8;", "0xff"),
    ],
)
def test_bytes_that_are_not_utf8_are_found(content: bytes, where: str, value: str) -> None:
    """By line, offset and value, also where the file breaks off within a character."""
    error = refusal(content)
    assert where in str(error)
    assert error.value == value
