"""What the agent is asked to do, with which data, and how its answers are scored.

Place in the data's way: station 1, the part of a manifest that stations 5 and 6 obey. No I/O, no policy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from trainyard_api.fields import AbsolutePath, ApiModel, Identifier, Passage, SignedDecimal
from trainyard_api.model_source import ConfigMapKey, S3Location
from trainyard_api.rules import ListMap, Rule

MAX_OPTIONS = 131_072
"""Most characters of all options of a task: a ConfigMap holds them, at six bytes for the longest of characters."""


class FileSource(ApiModel):
    """Where one file lies: exactly one member."""

    one_of: ClassVar[tuple[str, ...]] = ("config_map", "s3", "path")

    config_map: ConfigMapKey | None = None
    """A key of a ConfigMap in this namespace."""
    s3: S3Location | None = None
    """A file in a bucket; the prefix is its whole key."""
    path: AbsolutePath | None = None
    """An absolute path in the trainer's container."""


class TaskData(ApiModel):
    """Questions as lines of JSON with the members query and expected_outcome."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.validation) == has(self.test)",
            "must be set exactly when validation is",
            lambda data: (data.validation is not None) == (data.test is not None),
            field="test",
        ),
    )

    train: FileSource
    """Questions to train on. Without sets of one's own for the others, a hash of the question keeps 10 % of them for
    validation and 10 % for the test."""
    validation: FileSource | None = None
    """Questions for validation. Default: 10 % of train."""
    test: FileSource | None = None
    """Questions for the measurement before and after. Default: 10 % of train."""


class RewardTerm(ApiModel):
    """One reward function and its weight in the sum."""

    name: Identifier
    """Name of a reward: of the module, built in, or an entry point of the image in the group trainyard.rewards."""
    weight: SignedDecimal = "1.0"
    """Factor of this reward in the weighted sum; may be negative. Default: 1.0."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """Seconds after which the reward of one trajectory counts as failed. Default: 30."""


class SpecialTokens(StrEnum):
    """How texts of a task that spell a special token of the tokenizer are read."""

    TEXT = "Text"
    TOKENS = "Tokens"


class TaskSpec(ApiModel):
    """What the agent is asked to do, and how its answers are scored."""

    name: Identifier
    """Name of a task: of the module, built in, or an entry point of the image in the group trainyard.tasks."""
    rewards: Annotated[
        list[RewardTerm],
        Field(min_length=1, max_length=16),
        ListMap("name"),
    ]
    """Reward functions whose weighted sum is a trajectory's reward."""
    options: Annotated[
        dict[Identifier, Passage],
        Field(max_length=32),
        Rule(
            f"self.map(name, self[name].size()).sum() <= {MAX_OPTIONS}",
            f"must have at most {MAX_OPTIONS} characters together",
            lambda options: sum(map(len, options.values())) <= MAX_OPTIONS,
        ),
    ] = {}
    """Free settings of the task, as strings, which may have several lines; a task refuses options that it doesn't
    know."""
    module: ConfigMapKey | None = None
    """A Python module with tasks and rewards of one's own, looked up before those of the image. Default: none."""
    data: TaskData | None = None
    """Questions from files. Default: the task asks its own."""
    special_tokens: SpecialTokens = SpecialTokens.TEXT
    """Whether special tokens of the model's tokenizer that stand in questions, options, tool results and other texts of
    the task (as <|im_end|>) are read as Text, or as Tokens, the control tokens that they spell. Default: Text."""
