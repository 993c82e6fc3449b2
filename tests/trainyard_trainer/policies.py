"""Small policies and rows for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.trainyard_trainer.saved_models import write_files
from trainyard_api.model_source import ScratchModel
from trainyard_trainer.algorithms.losses import sft_loss
from trainyard_trainer.models.load import LoadedModel, scratch
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss_inputs import LossInputs, TokenLosses
from trainyard_trainer.policy.policy import Loss
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.tasks.calculator import CalculatorTask


def loaded() -> LoadedModel:
    """A tiny scratch model for the calculator's alphabet."""
    return scratch(ScratchModel(), CalculatorTask.alphabet, 0)


def policy(learning_rate: float = 1e-3, *, model: LoadedModel | None = None, **settings: Any) -> TorchPolicy:
    """A policy of that model, or of another."""
    return TorchPolicy(model or loaded(), PolicySettings(learning_rate=learning_rate, **settings))


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
        out = sft_loss(inputs)
        return replace(out, losses=factor * out.losses)

    return loss


def weights(of: TorchPolicy) -> torch.Tensor:
    """All weights that learn, as one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in of.trained])


def gradient(of: TorchPolicy) -> torch.Tensor:
    """Their gradients as one vector."""
    return torch.cat([parameter.grad.flatten() for parameter in of.trained if parameter.grad is not None])


def write(snapshot: Snapshot, folder: Path) -> Path:
    """A snapshot's transformers files in a folder."""
    return write_files(snapshot.files, folder)
