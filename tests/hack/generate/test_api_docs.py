"""The API's reference says what the schema says."""

from __future__ import annotations

import pytest

from hack.generate import api_docs
from hack.generate.api_docs import api_reference
from hack.generate.crd import KINDS

TEXT = api_reference()


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"type": "string", "maxLength": 9, "pattern": "^a|b$"}, "string, ≤ 9 characters, `^a|b$`"),
        ({"type": "integer", "minimum": 0, "maximum": 5, "default": 3}, "integer, ≥ 0, ≤ 5, default 3"),
        ({"type": "string", "enum": ["A", "B"]}, "A \\| B"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 2}, "list of string, ≤ 2 items"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "map of string"),
        ({"type": "object", "properties": {}}, "object"),
    ],
)
def test_a_type_is_said_with_its_bounds_and_default(field: dict[str, object], said: str) -> None:
    """In words of the reader's, in the order of the table of bounds."""
    assert api_docs._type(field) == said


def test_every_kind_has_its_sections_and_columns() -> None:
    """Spec and status of both; parts of a list are marked as such."""
    for kind in KINDS:
        assert f"\n## {kind.names.kind}\n" in TEXT
        assert all(f"| {column.name.upper()}" in TEXT for column in kind.columns)
    assert TEXT.count("\n### spec\n") == TEXT.count("\n### status\n") == len(KINDS)
    assert "\n### spec.task.rewards[]\n" in TEXT


def test_no_row_of_a_table_is_cut_by_its_own_text() -> None:
    """A pattern's bar is written so that Markdown doesn't take it for a cell's end."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert rows
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)
