"""How a policy is measured on questions that are never trained on.

Place in the data's way: station 1, the part of a manifest that stands beside training. No I/O, no policy.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainyard_api.fields import ApiModel, ObjectName, Share
from trainyard_api.rules import Rule


class EarlyStopping(ApiModel):
    """When training ends before its last step."""

    patience: Annotated[int, Field(ge=1, le=1000)] = 5
    """Validations in a row without an improvement after which training ends. Default: 5."""
    min_delta: Share = "0.0"
    """Rise of the success rate over the latest improvement from which on it is one too. Default: 0.0."""


class Validation(ApiModel):
    """A measurement on the validation questions while training goes on; the best state becomes a checkpoint."""

    every_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Steps between two validations. Default: 10."""
    questions: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Number of validation questions, the same each time. Default: 128."""
    early_stopping: EarlyStopping | None = None
    """When training ends early. Default: never."""


class Baseline(ApiModel):
    """What an evaluation is compared with."""

    checkpoint: ObjectName
    """Name of a Checkpoint in this namespace."""


class Evaluation(ApiModel):
    """A measurement on the test questions, before the first step and after the last; they are never trained on."""

    questions: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Number of test questions, the same before and after. Default: 512."""
    samples: Annotated[int, Field(ge=1, le=64)] = 1
    """Answers sampled for each question. Default: 1."""
    temperature: Annotated[
        str,
        Field(pattern=r"^[0-9](\.[0-9]{1,4})?$", max_length=8),
        Rule("double(self) >= 0.01", "must be at least 0.01", lambda temperature: float(temperature) >= 0.01),
    ] = "1.0"
    """Sampling temperature of the answers, from 0.01 to 9.9999. Default: 1.0."""
    validation: Validation | None = None
    """Measurements while training goes on; not where algorithm.type is Evaluation. Default: none."""
    baseline: Baseline | None = None
    """The Checkpoint that the model is compared with; required when algorithm.type is Evaluation, else absent."""
