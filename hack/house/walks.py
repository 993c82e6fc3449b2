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
        _T + "training.train:train",
        (
            _T + "algorithms.advantages:with_advantages",
            _T + "algorithms.losses:make_loss",
            _T + "algorithms.kl:divergence",
            _T + "algorithms.rows:grpo_rows",
            _T + "algorithms.denominators:token_weight",
            _T + "policy.torch_policy:TorchPolicy._backward",
        ),
    ),
    Walk(
        "first-weights",
        "Where do a run's first weights come from, from the command on?",
        _T + "__main__:main",
        (
            _T + "models.first_model:fetch_model",
            _T + "models.load:scratch",
            _T + "models.load:load_folder",
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
            _T + "training.saving:stop_if_asked",
            _T + "checkpoints.writer:CheckpointWriter.save_last",
            _T + "checkpoints.files:write_checkpoint",
            _T + "errors:StoppedError",
        ),
    ),
)
NUMBERS: Final = (
    Number("new-number", "How many edits does one more number of an update need?", "clip_ratio/low_mean"),
)
