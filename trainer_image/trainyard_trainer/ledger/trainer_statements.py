"""What a trainer asks Postgres.

Place in the data's way: station 10. Parameters are positional and begin with the run's uid unless a comment says
otherwise.
"""

from __future__ import annotations

from typing import Final

from trainyard_api.ledger import CHECKPOINTS, EVALUATION_ANSWERS, EVALUATIONS, TRAINING_METRICS
from trainyard_trainer.ledger.rows import STEP_TABLES
from trainyard_trainer.ledger.statements import insert, statement

FENCE: Final = statement("UPDATE {runs} SET {runs.last_write_at} = now() WHERE {runs.uid} = %s AND {runs.attempt} = %s")
"""Locks the run's row for the transaction; changes none where another attempt is the current one."""
CURRENT_ATTEMPT: Final = statement("SELECT {runs.attempt} FROM {runs} WHERE {runs.uid} = %s")

# An old trainer's row has no trained_step: it was trained in its own step.
REWIND: Final = (
    statement(
        """
        DELETE FROM {trajectories}
        WHERE {trajectories.run_uid} = %s AND coalesce({trajectories.trained_step}, {trajectories.step}) >= %s
        """
    ),
    statement(
        """
        DELETE FROM {training_metrics} WHERE {training_metrics.run_uid} = %s
        AND {training_metrics.kind} = 'step' AND {training_metrics.step} >= %s
        """
    ),
    statement(
        """
        DELETE FROM {training_metrics} WHERE {training_metrics.run_uid} = %s
        AND {training_metrics.kind} <> 'step' AND {training_metrics.step} > %s
        """
    ),
    statement("DELETE FROM {evaluations} WHERE {evaluations.run_uid} = %s AND {evaluations.step} > %s"),
)
"""Each removes the rows of work after so many finished steps."""

# The run, then finished steps and attempt.
STEPS_WRITTEN: Final = statement(
    """
    SELECT {training_metrics.step} FROM {training_metrics} WHERE {training_metrics.run_uid} = %s
    AND {training_metrics.kind} = 'step' AND {training_metrics.step} < %s AND {training_metrics.attempt} <= %s
    """
)
DELETE_STEP: Final = statement(
    """
    DELETE FROM {trajectories}
    WHERE {trajectories.run_uid} = %s AND coalesce({trajectories.trained_step}, {trajectories.step}) = %s
    """
)
# Steps, prompts and samples, then the run.
DELETE_EQUAL: Final = statement(
    """
    DELETE FROM {trajectories} t USING unnest(%s::integer[], %s::integer[], %s::integer[]) AS k (s, p, n)
    WHERE t.{trajectories.run_uid} = %s
      AND t.{trajectories.step} = k.s AND t.{trajectories.prompt} = k.p AND t.{trajectories.sample} = k.n
    """
)
DELETE_METRICS: Final = statement(
    """
    DELETE FROM {training_metrics} WHERE {training_metrics.run_uid} = %s
    AND {training_metrics.kind} = %s AND {training_metrics.step} = %s
    """
)
DELETE_EVALUATION: Final = statement(
    """
    DELETE FROM {evaluations}
    WHERE {evaluations.run_uid} = %s AND {evaluations.kind} = %s AND {evaluations.step} = %s
    """
)
INSERT_METRICS: Final = insert(TRAINING_METRICS)
INSERT_EVALUATION: Final = insert(EVALUATIONS)
CLAIM: Final = insert(CHECKPOINTS) + statement(" ON CONFLICT ({checkpoints.uri}) DO NOTHING")

NEEDED_RIGHTS: Final = (
    *(
        (table.name, right)
        for table in (*STEP_TABLES, TRAINING_METRICS, EVALUATIONS, EVALUATION_ANSWERS)
        for right in ("SELECT", "INSERT", "DELETE")
    ),
    (CHECKPOINTS.name, "INSERT"),
)
# Tables, the right to each, and the schema.
LACKING_RIGHTS: Final = """
    SELECT "table", "right"
    FROM unnest(%s::text[], %s::text[]) AS needed ("table", "right")
    WHERE NOT has_table_privilege(%s || '.' || "table", "right")
"""
