"""Claims about statements that name what the contract declares."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from trainyard_api.ledger import EVALUATIONS, RUNS, EvaluationRow, RunRow
from trainyard_operator.ledger.statements import insert, statement, values


def test_a_table_comes_with_its_schema_and_a_column_alone() -> None:
    """So that an alias may stand before a column."""
    text = statement("SELECT r.{runs.uid} FROM {runs} r WHERE r.{runs.attempt} = %s").as_string(None)
    assert text == 'SELECT r."uid" FROM "trainyard"."runs" r WHERE r."attempt" = %s'


def test_a_name_that_isnt_declared_is_refused() -> None:
    """At import, not at the first row."""
    with pytest.raises(KeyError, match=r"runs\.colour"):
        statement("SELECT {runs.colour} FROM {runs}")


def test_an_insert_names_what_a_row_gives() -> None:
    """In the order of its values; what the database fills isn't named."""
    text = insert(RUNS).as_string(None)
    names = '"uid", "namespace", "name", "attempt", "tags"'
    assert text == f'INSERT INTO "trainyard"."runs" ({names}) VALUES (%s, %s, %s, %s, %s)'
    row = RunRow(uid="u", namespace="n", name="j", attempt=2, tags={"a": "b"})
    *plain, tags = values(RUNS, row)
    assert plain == ["u", "n", "j", 2]
    assert isinstance(tags, Jsonb)
    assert tags.obj == {"a": "b"}


def test_no_value_is_null_and_not_json() -> None:
    """JSON has a null of its own, which a reader would have to tell apart."""
    row = EvaluationRow(run_uid="u", kind="evaluation", step=1, attempt=1, answers=0, result=None)
    assert values(EVALUATIONS, row)[-1] is None
