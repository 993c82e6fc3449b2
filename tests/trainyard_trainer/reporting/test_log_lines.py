"""A data report reaches a person who has no pod log."""

from __future__ import annotations

import logging

from trainyard_trainer.reporting.log_lines import findings_shown


def test_lines_of_data_are_said_and_others_are_not() -> None:
    """Only within, and without time and level; the level is as before afterwards."""
    said: list[str] = []
    data = logging.getLogger("trainyard_trainer.training.check_data")
    other = logging.getLogger("trainyard_trainer.policy")
    before = data.level
    with findings_shown(said.append):
        data.info("data: %d queries", 5)
        other.info("not this")
    data.info("nor this")
    assert said == ["data: 5 queries"]
    assert data.level == before
