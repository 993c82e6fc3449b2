"""Names the things that a reader may want to understand: where he begins, and what he must have seen at the end.

When a definition moves, its symbol is changed here, and nothing else: the same things are asked of the new place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_T: Final = "trainyard_trainer."


@dataclass(frozen=True)
class Walk:
    """A way through the code: all are symbols, `exits` in the order in which they are asked for."""

    name: str
    asks: str
    entry: str
    exits: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A measured number that exists: each definition that names it is an edit that another such number needs."""

    name: str
    asks: str
    measured: str


WALKS: Final = (
    Walk(
        "token-loss",
        "What does one sampled token cost, from the loop on?",
        _T + "train:train",
        (
            _T + "policy.advantages:with_advantages",
            _T + "policy.losses:make_loss",
            _T + "policy.kl:divergence",
            _T + "policy.rows:grpo_rows",
            _T + "policy.weights:token_weight",
            _T + "policy.torch_policy:TorchPolicy._backward",
        ),
    ),
    Walk(
        "first-weights",
        "Where do a run's first weights come from, from the command on?",
        _T + "__main__:main",
        (
            _T + "models.first_model:fetch_model",
            _T + "models.loading:scratch",
            _T + "models.loading:load_folder",
            _T + "models.lora:apply",
            _T + "policy.torch_policy:TorchPolicy.__init__",
        ),
    ),
    Walk(
        "stop",
        "How does SIGTERM become a committed checkpoint and exit code 10?",
        _T + "__main__:main",
        (
            _T + "stop:SignalStop._on_signal",
            _T + "pod.ending:of_error",
            _T + "checkpoints.saving:stop_if_asked",
            _T + "checkpoints.checkpoint_writer:CheckpointWriter.save_last",
            _T + "checkpoints.checkpoint:write_checkpoint",
            _T + "errors:StoppedError",
        ),
    ),
)
NUMBERS: Final = (Number("new-number", "How many edits does one more number of an update need?", "sampler_gap_mean"),)
