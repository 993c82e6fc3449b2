"""Writes a batch's rows within a transaction, in the place of those of the same steps and measurements.

Place in the data's way: station 10. Written twice, a batch leaves what it leaves written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import psycopg
from psycopg import sql

from trainyard_api.ledger import CHECKPOINTS, EVALUATION_ANSWERS, EVALUATIONS, TRAINING_METRICS, TrajectoryRow
from trainyard_api.names import DATABASE_SCHEMA
from trainyard_api.table import Row, Table
from trainyard_trainer.ledger.row_batch import RowBatch
from trainyard_trainer.ledger.rows import STEP_TABLES
from trainyard_trainer.ledger.statements import values
from trainyard_trainer.ledger.trainer_statements import (
    CLAIM,
    DELETE_EQUAL,
    DELETE_EVALUATION,
    DELETE_METRICS,
    DELETE_STEP,
    INSERT_EVALUATION,
    INSERT_METRICS,
)

_STEP: Final = "step"
"""Kind of a training step's metrics."""


def write_batch(cursor: psycopg.Cursor, run_uid: str, batch: RowBatch) -> None:
    """Writes the rows; those of its steps and measurements that are there go first.

    Args:
        cursor: in a transaction, which also has temporary tables.
        run_uid: the run's key in the ledger.
        batch: the rows, all of that run.
    """
    for measured in batch.of(TRAINING_METRICS):
        if measured.kind == _STEP:
            cursor.execute(DELETE_STEP, [run_uid, measured.step])
    keys: list[tuple[int, int, int]] = []
    staged = [table for table in STEP_TABLES if _stage(cursor, table, _noting(batch.of(table), keys))]
    if keys:
        # A late trajectory may have been trained on in another step before the run went back.
        cursor.execute(DELETE_EQUAL, [*(list(part) for part in zip(*keys, strict=True)), run_uid])
    for table in staged:
        _move(cursor, table)
    for evaluation in batch.of(EVALUATIONS):
        cursor.execute(DELETE_EVALUATION, [run_uid, evaluation.kind, evaluation.step])
        cursor.execute(INSERT_EVALUATION, values(EVALUATIONS, evaluation))
    if _stage(cursor, EVALUATION_ANSWERS, batch.of(EVALUATION_ANSWERS)):
        _move(cursor, EVALUATION_ANSWERS)
    for metrics in batch.of(TRAINING_METRICS):
        cursor.execute(DELETE_METRICS, [run_uid, metrics.kind, metrics.step])
        cursor.execute(INSERT_METRICS, values(TRAINING_METRICS, metrics))
    for claim in batch.of(CHECKPOINTS):
        cursor.execute(CLAIM, values(CHECKPOINTS, claim))


def _noting(content: Iterator[Any], keys: list[tuple[int, int, int]]) -> Iterator[Any]:
    """Passes rows on, with the keys of trajectories noted."""
    for row in content:
        if isinstance(row, TrajectoryRow):
            keys.append((row.step, row.prompt, row.sample))
        yield row


def _stage(cursor: psycopg.Cursor, table: Table[Row], content: Iterator[Row]) -> bool:
    """Copies rows into a temporary table, for COPY itself can't write a table with row-level security; False without
    rows.
    """
    first = next(content, None)
    if first is None:
        return False
    target, aside, columns = _names(table)
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(aside, target))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(aside, columns)) as copy:
        for row in chain([first], content):
            copy.write_row(values(table, row))
    return True


def _move(cursor: psycopg.Cursor, table: Table[Row]) -> None:
    """Inserts what was staged."""
    target, aside, columns = _names(table)
    cursor.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(target, columns, columns, aside))


def _names(table: Table[Row]) -> tuple[sql.Identifier, sql.Identifier, sql.Composed]:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.written)
    return sql.Identifier(DATABASE_SCHEMA, table.name), sql.Identifier(f"new_{table.name}"), columns
