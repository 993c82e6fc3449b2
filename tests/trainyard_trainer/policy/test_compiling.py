"""torch.compile: the same gradients, or a refusal before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch._inductor.config as inductor
from transformers import GPT2Config, GPT2LMHeadModel

from tests.trainyard_trainer.policies import ROWS, gradient, policy, row
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import LoadedModel


@pytest.mark.parametrize("environment", [{"PATH": ""}, {"CXX": "no-such-compiler"}])
def test_an_image_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """While parts are put together, by the field that asked for it."""
    monkeypatch.delenv("CXX", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError) as refused:
        policy(compile=True)
    assert refused.value.reason is TerminationReason.INVALID_MANIFEST
    assert str(refused.value).startswith("spec.algorithm.compile: must be false where the image has no compiler")


@pytest.mark.learning
def test_a_compiled_pass_gives_the_same_gradients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To 1e-5, for any number of rows and columns, compiled once."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(inductor, "compile_threads", 1)
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(GPT2Config(vocab_size=48, n_embd=16, n_layer=1, n_head=2, n_positions=32))
        chosen = policy(model=LoadedModel(model, None, 0), compile=compiled)
        for rows in (ROWS, [row(0, 9), row(1, 5)]):
            chosen.accumulate(rows, SFT_LOSS)
            found.append(gradient(chosen))
    for plain, ours in ((found[0], found[2]), (found[1], found[3])):
        assert (ours - plain).norm() / plain.norm() < 1e-5
    assert list(tmp_path.rglob("*.so"))
