"""Claims about measurements on questions that are never trained on."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from trainyard_api.evaluation import Evaluation
from trainyard_api.validation import explain


def test_an_evaluation_needs_no_setting() -> None:
    """512 questions, one answer each, and no measurement in between."""
    evaluation = Evaluation.model_validate({})
    assert (evaluation.questions, evaluation.samples, evaluation.validation) == (512, 1, None)


def test_validation_goes_on_to_the_last_step_unless_asked_to_stop_early() -> None:
    """An empty earlyStopping asks, with five validations of patience."""
    plain = Evaluation.model_validate({"validation": {}}).validation
    early = Evaluation.model_validate({"validation": {"earlyStopping": {}}}).validation
    assert plain is not None
    assert plain.early_stopping is None
    assert early is not None
    assert early.early_stopping is not None
    assert (early.early_stopping.patience, early.early_stopping.min_delta) == (5, "0.0")


@pytest.mark.parametrize("temperature", ["0", "0.009", "10", "1e0", "-1"])
def test_a_temperature_is_one_that_answers_can_be_sampled_at(temperature: str) -> None:
    """From 0.01 to 9.9999, in plain decimals."""
    with pytest.raises(ValidationError) as caught:
        Evaluation.model_validate({"temperature": temperature})
    assert explain(caught.value)[0].startswith("temperature: must ")
