"""Early stopping: patience, min delta, the best state, and the same decisions after a resume."""

from __future__ import annotations

import io
import itertools
import json
import math
import random
from collections.abc import Sequence

import pytest
import torch

from trainyard_trainer.evaluation.early_stopping import ValidationHistory, is_new_best, observed, should_stop


def after(values: Sequence[float | None], min_delta: float = 0.0, every: int = 10) -> ValidationHistory:
    """The history of validations with these values, every so many steps."""
    history = ValidationHistory()
    for number, value in enumerate(values, 1):
        history = observed(history, number * every, value, min_delta)
    return history


def test_patience_counts_validations_without_an_improvement() -> None:
    """Two in a row stop a patience of 2; an improvement between begins anew; without a patience nothing stops."""
    assert not should_stop(after([0.5, 0.4]), 2)
    assert should_stop(after([0.5, 0.4, 0.3]), 2)
    assert not should_stop(after([0.5, 0.4, 0.6, 0.5]), 2)
    assert should_stop(after([0.5, 0.4]), 1)
    assert not should_stop(after([0.5] * 1000), None)
    assert not should_stop(ValidationHistory(), 1)


def test_equal_values_do_not_improve() -> None:
    """The best step is the first that reached the value, so the earlier checkpoint is kept."""
    history = after([0.5, 0.5, 0.5])
    assert (history.best, history.best_step, history.waited) == (0.5, 10, 2)
    assert not is_new_best(history)
    assert is_new_best(after([0.5, 0.6]))


def test_min_delta_is_the_rise_from_which_on_it_improves() -> None:
    """A rise of exactly min_delta counts, whatever the last bits of its floats say; less doesn't."""
    for best, delta in itertools.product((0.1, 0.3, 0.55, 0.7), (0.01, 0.02, 0.1, 0.2)):
        assert after([best, round(best + delta, 6)], delta).waited == 0
        assert after([best, best + delta - 1e-4], delta).waited == 1


def test_the_best_state_is_the_best_whatever_min_delta_is() -> None:
    """Small rises move the best checkpoint at once, and reset patience when they add up to min_delta."""
    history = after([0.50, 0.52, 0.54], min_delta=0.05)
    assert (history.best, history.best_step, history.waited) == (0.54, 30, 2)
    assert is_new_best(history)
    history = observed(history, 40, 0.56, 0.05)
    assert (history.best_step, history.waited, history.improved_to) == (40, 0, 0.56)


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_a_value_that_does_not_exist_is_no_improvement(nothing: float | None) -> None:
    """It counts against patience, first or later, and never gets into the state."""
    assert after([nothing, nothing]) == ValidationHistory(waited=2, last_step=20)
    history = after([nothing, 0.2, nothing])
    assert (history.best, history.best_step, history.waited) == (0.2, 20, 1)
    json.dumps(history.to_state(), allow_nan=False)
    assert should_stop(history, 1)


def test_the_latest_value_is_that_of_the_latest_validation() -> None:
    """None where it had none, whatever the one before had; a rise improves by itself where no delta is asked for."""
    assert [after(values).last for values in ([0.5], [0.5, 0.4], [0.5, None], [None, 0.3])] == [0.5, 0.4, None, 0.3]
    risen = observed(observed(ValidationHistory(), 1, 0.5), 2, 0.501)
    assert (risen.improved_to, risen.waited) == (0.501, 0)


def test_a_step_seen_before_changes_nothing() -> None:
    """A run that goes on may validate the same step once more; that isn't a second one without improvement."""
    history = after([0.5, 0.4])
    assert observed(history, 20, 0.4) == history
    assert observed(history, 10, 0.9) == history


def test_a_continued_run_decides_as_the_undisturbed_one() -> None:
    """Through JSON and through torch.save with weights_only, at every one of 40 validations of 20 random runs."""
    for seed in range(20):
        draws = random.Random(seed)
        values = [draws.choice([None, math.nan, *(count / 128 for count in range(40, 90))]) for _ in range(40)]
        whole = resumed = ValidationHistory()
        for number, value in enumerate(values):
            whole = observed(whole, number, value, 0.03)
            resumed = observed(resumed, number, value, 0.03)
            stored = io.BytesIO()
            torch.save({"early_stopping": json.loads(json.dumps(resumed.to_state()))}, stored)
            stored.seek(0)
            resumed = ValidationHistory.from_state(torch.load(stored, weights_only=True)["early_stopping"])
            assert resumed == whole
            assert should_stop(resumed, 3) == should_stop(whole, 3)
            assert is_new_best(resumed) == is_new_best(whole)


def test_a_state_of_another_shape_is_refused() -> None:
    """By the names of its members."""
    with pytest.raises(ValueError, match="the state of early stopping has the members"):
        ValidationHistory.from_state({"best": 0.5})
