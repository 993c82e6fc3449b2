"""Adapters: nothing at first, alone in learning, equal to their merged model, refused where they don't fit."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from tests.trainyard_trainer.families import FAMILIES
from tests.trainyard_trainer.saved_models import logits, save_family, train_a_little
from trainyard_api.algorithm import LoRA, Precision
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models import lora
from trainyard_trainer.models.digest import weights_digest
from trainyard_trainer.models.load import LoadedModel, load_folder
from trainyard_trainer.policy.precision import Weights
from trainyard_trainer.policy.reference import Reference

SETTINGS = LoRA(rank=4, alpha=8)


@pytest.fixture
def base(tmp_path: Path) -> LoadedModel:
    """A tiny model, loaded from a folder."""
    return load_folder(save_family("qwen3", tmp_path / "base"))


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_adapter_learns_and_merging_it_changes_nothing(tmp_path: Path, family: str) -> None:
    """In every family: a new adapter leaves the model as it is, bit for bit; training changes the adapter alone; the
    merged weights say the same to 1e-5, relative to the largest logit; and the model that is trained stays as it is.
    """
    plain = load_folder(save_family(family, tmp_path))
    before, digest, names = logits(plain), weights_digest(plain.model), plain.model.state_dict().keys()
    loaded = lora.apply(plain, SETTINGS, seed=0)
    assert loaded.adapter is not None
    assert loaded.adapter.base_digest == digest
    assert torch.equal(logits(loaded), before)
    start = copy.deepcopy(loaded.model.state_dict())
    train_a_little(loaded)
    moved = {name for name, tensor in loaded.model.state_dict().items() if not torch.equal(tensor, start[name])}
    assert moved
    assert moved <= {name for name, one in loaded.model.named_parameters() if one.requires_grad}
    assert all("lora_" in name for name in moved)

    trained, now = logits(loaded), copy.deepcopy(loaded.model.state_dict())
    assert not torch.allclose(trained, before, atol=1e-3)
    merged = lora.merged_state(loaded)
    assert merged.keys() == names
    assert all(torch.equal(tensor, now[name]) for name, tensor in loaded.model.state_dict().items())
    fresh = load_folder(tmp_path)
    fresh.model.load_state_dict(merged)
    assert (logits(fresh) - trained).abs().max() <= 1e-5 * trained.abs().max().clamp(min=1)


def test_first_weights_follow_the_seed_alone(tmp_path: Path) -> None:
    """Equal seeds give equal adapters whatever torch's own generator is at, and it isn't moved."""
    folder = save_family("qwen3", tmp_path)
    adapters = []
    for seed, noise in ((0, 1), (0, 2), (1, 3)):
        loaded = load_folder(folder)
        torch.manual_seed(noise)
        at = torch.get_rng_state()
        adapters.append(
            {name: tensor.clone() for name, tensor in lora.weights(lora.apply(loaded, SETTINGS, seed)).items()}
        )
        assert torch.equal(torch.get_rng_state(), at)
    one, same, other = adapters
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_layers_are_chosen_by_name(base: LoadedModel) -> None:
    """Those that are asked for, else every linear layer but the output embedding."""
    chosen = lora.apply(base, LoRA(rank=2, alpha=2, target_modules=["v_proj", "q_proj"]), 0)
    assert chosen.adapter is not None
    assert chosen.adapter.settings.target_modules == ["q_proj", "v_proj"]
    assert {name.split(".")[-3] for name in lora.weights(chosen)} == {"q_proj", "v_proj"}


def test_the_output_embedding_has_no_adapter(base: LoadedModel) -> None:
    """By default it has none."""
    loaded = lora.apply(base, SETTINGS, 0)
    assert type(loaded.model.get_output_embeddings()) is torch.nn.Linear
    assert not any("lm_head" in name for name in lora.weights(loaded))


@pytest.mark.parametrize("name", ["query", "lm_head", "proj", "norm"])
def test_unknown_layers_are_refused_with_those_that_exist(base: LoadedModel, name: str) -> None:
    """Half a name isn't one, nor are the output embedding and what isn't linear."""
    with pytest.raises(RefusedError) as caught:
        lora.apply(base, LoRA(target_modules=["q_proj", name]), 0)
    assert caught.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert (caught.value.field_path, caught.value.value) == ("spec.algorithm.lora.targetModules", name)
    assert "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in str(caught.value)


def test_an_adapter_goes_on_and_keeps_what_it_began_with(base: LoadedModel) -> None:
    """A model that was loaded with one: equal at first, and its copy doesn't learn."""
    loaded = lora.apply(base, SETTINGS, 0)
    train_a_little(loaded)
    began = {name: tensor.clone() for name, tensor in lora.weights(loaded).items()}
    before = logits(loaded)
    continued = lora.apply(loaded, SETTINGS, seed=7)
    assert torch.equal(logits(continued), before)
    train_a_little(continued)
    assert continued.adapter is not None
    assert continued.adapter.reference is not None
    assert continued.adapter.reference.keys() == began.keys()
    assert all(torch.equal(tensor, began[name]) for name, tensor in continued.adapter.reference.items())
    assert any(not torch.equal(tensor, began[name]) for name, tensor in lora.weights(continued).items())


@pytest.mark.parametrize(
    ("other", "member", "value"),
    [
        (LoRA(rank=2, alpha=8), "rank", "2"),
        (LoRA(rank=4, alpha=4), "alpha", "4"),
        (LoRA(rank=4, alpha=8, target_modules=["q_proj"]), "targetModules", "q_proj"),
    ],
)
def test_an_adapter_of_another_kind_can_not_go_on(base: LoadedModel, other: LoRA, member: str, value: str) -> None:
    """The refusal says what is other, what the adapter is, and the way out."""
    with pytest.raises(RefusedError, match=r"rank 4, alpha 8.*final checkpoint") as caught:
        lora.apply(lora.apply(base, SETTINGS, 0), other, 0)
    assert (caught.value.field_path, caught.value.value) == (f"spec.algorithm.lora.{member}", value)
    assert caught.value.reason is TerminationReason.MODEL_UNSUITABLE


def test_merged_in_place_all_weights_learn(base: LoadedModel) -> None:
    """As if there had never been an adapter."""
    names = set(base.model.state_dict())
    loaded = lora.apply(base, SETTINGS, 0)
    train_a_little(loaded)
    before = logits(loaded)
    merged = lora.merge(loaded)
    assert merged.adapter is None
    assert set(merged.model.state_dict()) == names
    assert all(one.requires_grad for one in merged.model.parameters())
    assert torch.allclose(logits(merged), before, atol=1e-5)


@pytest.mark.parametrize("continued", [False, True], ids=["from the base", "from an adapter"])
def test_the_reference_is_what_the_run_began_with(base: LoadedModel, continued: bool) -> None:
    """Bit for bit, before and after updates: the base with a new adapter, that adapter itself where one goes on."""
    loaded = lora.apply(base, SETTINGS, 0)
    if continued:
        train_a_little(loaded)
        loaded = lora.apply(loaded, SETTINGS, 0)
    before = logits(loaded)
    reference = Reference(Weights(loaded.model, Precision.FLOAT32).trained)
    train_a_little(loaded)
    today = logits(loaded)
    assert not torch.equal(today, before)
    with reference.in_place():
        assert torch.equal(logits(loaded), before)
    assert torch.equal(logits(loaded), today)


def test_weights_of_another_adapter_are_refused(base: LoadedModel) -> None:
    """A missing tensor or another shape would leave part of the adapter as it was."""
    loaded = lora.apply(base, SETTINGS, 0)
    own = dict(lora.weights(loaded))
    first = next(iter(own))
    for broken in ({**own, first: own[first][:1]}, {name: own[name] for name in own if name != first}):
        with pytest.raises(ValueError, match="exactly the weights of the adapter"):
            lora.set_weights(loaded, broken)
