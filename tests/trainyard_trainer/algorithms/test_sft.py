"""Supervised fine-tuning: only the policy's own turns are trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainyard_trainer import policies, small
from tests.trainyard_trainer.saved_models import contents
from tests.trainyard_trainer.small import Outside
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.sft import SFT, demonstration_rows
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.tasks.task import DemonstrationTurn
from trainyard_trainer.trajectory import Role

SHOWN = [
    (
        DemonstrationTurn(Role.PROMPT, "Q47*93;"),
        DemonstrationTurn(Role.POLICY, "C47*93;"),
        DemonstrationTurn(Role.TOOL, "R04371;"),
        DemonstrationTurn(Role.POLICY, "A04371$"),
    ),
    (DemonstrationTurn(Role.PROMPT, "Q10-99;"), DemonstrationTurn(Role.POLICY, "A00007$")),
]


def test_prompt_and_tool_tokens_are_not_trained_and_the_loss_is_a_mean_over_tokens() -> None:
    """Rows hold the tokens that a rollout would have; weights of trained tokens sum to one over all rows."""
    renderer = small.renderer_of(policies.policy())
    rows = demonstration_rows(SHOWN, renderer)
    assert [renderer.text(row.token_ids) for row in rows] == ["Q47*93;C47*93;R04371;A04371$", "Q10-99;A00007$"]
    trained = [renderer.text([i for i, chosen in zip(row.token_ids, row.mask, strict=True) if chosen]) for row in rows]
    assert trained == ["C47*93;A04371$", "A00007$"]
    assert sum(sum(row.weights) for row in rows) == pytest.approx(1.0)
    assert all(bool(weight) == chosen for row in rows for weight, chosen in zip(row.weights, row.mask, strict=True))


def test_each_demonstration_is_a_row_of_its_own() -> None:
    """All tuples of a row have its length; a single trained token weighs 1, and one without any weighs nothing."""
    renderer = small.renderer_of(policies.policy())
    rows = demonstration_rows(SHOWN, renderer)
    assert [row.trajectory for row in rows] == [0, 1]
    for row in rows:
        assert row.advantages == (1.0,) * len(row.token_ids)
        assert len(row.mask) == len(row.weights) == len(row.token_ids)
    prompt = DemonstrationTurn(Role.PROMPT, "Q47*93;")
    (short,) = demonstration_rows([(prompt, DemonstrationTurn(Role.POLICY, "$"))], renderer)
    assert short.weights[-1] == sum(short.weights) == 1.0
    bare, _ = demonstration_rows([(prompt,), *SHOWN[1:]], renderer)
    assert not any(bare.weights)


def test_fine_tuning_lowers_the_loss_and_records_every_step() -> None:
    """Metrics for each step, trajectories for none, a checkpoint when due and at the end."""
    outside = Outside()
    config = small.config("SFT", algorithm={"type": "SFT", "sft": small.SFT | {"steps": 25}})
    small.go(outside, config, every_steps=10)
    assert [(rows, metrics.step) for rows, metrics in outside.steps] == [([], step) for step in range(25)]
    assert outside.steps[-1][1].values["loss"] < 0.7 * outside.steps[0][1].values["loss"]
    assert [snapshot.step for snapshot in outside.snapshots] == [10, 20, 25]
    assert outside.reports[-1].step == 25


def test_a_stop_saves_after_the_step() -> None:
    """Between steps, for a step is one update."""
    outside = Outside(stop_when=lambda outside: len(outside.steps) == 3)
    config = small.config("SFT", algorithm={"type": "SFT", "sft": small.SFT | {"steps": 9}})
    with pytest.raises(StoppedError) as stop:
        small.go(outside, config)
    assert (stop.value.last_step, outside.snapshots[-1].step) == (3, 3)


def test_it_goes_on_byte_for_byte(tmp_path: Path) -> None:
    """Six steps are three and three more."""
    whole, first, second = Outside(), Outside(stop_when=lambda outside: len(outside.steps) == 3), Outside()
    config = small.config("SFT", algorithm={"type": "SFT", "sft": small.SFT | {"steps": 6}})
    small.go(whole, config)
    with pytest.raises(StoppedError):
        small.go(first, config)
    small.go(second, config, small.resumed(first.snapshots[-1], tmp_path))
    assert [metrics.step for _, metrics in second.steps] == [3, 4, 5]
    assert contents(second.snapshots[-1].files) == contents(whole.snapshots[-1].files)


def test_a_demonstration_that_cannot_be_written_is_refused() -> None:
    """A task that draws its own questions is seen through only as it draws."""
    shown = [(DemonstrationTurn(Role.PROMPT, "Q47*93;"), DemonstrationTurn(Role.POLICY, "A\ud83d$"))]
    with pytest.raises(RefusedError, match="half of a surrogate pair") as refusal:
        demonstration_rows(shown, small.renderer_of(policies.policy()))
    assert refusal.value.reason is TerminationReason.INVALID_DATA
    long = (DemonstrationTurn(Role.PROMPT, "Q" * 999), shown[0][1])
    with pytest.raises(RefusedError) as of_long:
        demonstration_rows([long], small.renderer_of(policies.policy()))
    assert of_long.value.value == "Q" * 200, "as much as tells it from others"
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.name", "Q47*93;")


def test_demonstrations_of_which_nothing_is_the_policys_are_refused() -> None:
    """They would train for hours, and end well, on nothing at all."""
    with pytest.raises(RefusedError, match="must hold a turn of the policy") as refusal:
        demonstration_rows([(DemonstrationTurn(Role.PROMPT, "Q47*93;"),)], small.renderer_of(policies.policy()))
    assert (refusal.value.reason, refusal.value.value) == (TerminationReason.INVALID_DATA, "Q47*93;")


def test_a_batch_in_a_checkpoint_is_not_its_own() -> None:
    """No step of it is ever left between two updates."""
    with pytest.raises(ValueError, match="outcomes"):
        SFT.batch_from_state({"outcomes": []})
