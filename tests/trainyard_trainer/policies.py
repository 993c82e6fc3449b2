"""Small policies and rows for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.trainyard_trainer.saved_models import contents, write_files
from trainyard_api.model_source import ScratchModel
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.models.load import LoadedModel, scratch
from trainyard_trainer.numbers import Numbers, value_of
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses
from trainyard_trainer.policy.ranks import Ranks
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.stop import Stop
from trainyard_trainer.tasks.calculator import CalculatorTask

ALONE = Ranks(None, torch.device("cpu"))
"""One process that shares its updates with nobody."""


def loaded() -> LoadedModel:
    """A tiny scratch model for the calculator's alphabet."""
    return scratch(ScratchModel(), CalculatorTask.alphabet, 0)


def policy(
    learning_rate: float = 1e-3,
    *,
    model: LoadedModel | None = None,
    group: Any = None,
    stop: Stop | None = None,
    **settings: Any,
) -> TorchPolicy:
    """A policy of that model, or of another; of one process, or of a group of them."""
    return TorchPolicy(model or loaded(), PolicySettings(learning_rate=learning_rate, **settings), group, stop)


def row(number: int, tokens: int, **values: Any) -> Row:
    """A row of one given token and `tokens` trained ones."""
    ids = tuple(range(1, tokens + 2))
    weights = (0.0,) + (1 / 22,) * tokens
    return Row(ids, (False,) + (True,) * tokens, (1.0,) * (tokens + 1), weights, trajectory=number, **values)


ROWS = [row(number, tokens) for number, tokens in enumerate((3, 7, 2, 6, 4))]
"""Rows of a trajectory each, 22 trained tokens in all."""


def times(factor: float) -> Loss:
    """The SFT loss, scaled."""

    def loss(inputs: LossInputs) -> TokenLosses:
        out = SFT_LOSS(inputs)
        return replace(out, losses=factor * out.losses)

    return Loss(loss)


def found(numbers: Numbers, *names: str) -> tuple[float | None, ...]:
    """Values of some numbers, in the order of their names."""
    return tuple(value_of(numbers, name) for name in names)


def weights(of: TorchPolicy) -> torch.Tensor:
    """All weights that learn, as one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in of.trained])


def gradient(of: TorchPolicy) -> torch.Tensor:
    """Their gradients as one vector."""
    return torch.cat([parameter.grad.flatten() for parameter in of.trained if parameter.grad is not None])


def write(snapshot: Snapshot, folder: Path) -> Path:
    """A snapshot's transformers files in a folder."""
    return write_files(contents(snapshot.files), folder)
