"""A model of another class, with its own tokenizer, trains without a line of code for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.claims.learning_runs import EXAMPLES
from tests.trainyard_trainer.small import install_reward
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_trainer.local.local_run import run_here


def save_llama(folder: Path) -> None:
    """A Llama with random weights and a byte-pair tokenizer of its own: other ids, merges, an opening token."""
    merges = [("0", "0"), ("1", "0"), ("R", "0")]
    tokens = ["<unk>", "<s>", "</s>", *"zyx$;ARCQ*-+9876543210", *map("".join, merges)]
    backend = Tokenizer(BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    backend.decoder = decoders.Fuse()
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokens), num_key_value_heads=2, **sizes)).save_pretrained(folder)


def test_a_random_llama_with_its_own_tokenizer_trains_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights move, sampler and policy agree, and the result is a Llama that transformers loads as it is."""
    save_llama(tmp_path / "llama")
    # Random weights never answer right; a reward of every turn's length tells their trajectories apart.
    install_reward(tmp_path, "length", "return float(trajectory.policy_tokens)")
    monkeypatch.syspath_prepend(str(tmp_path))
    body = yaml.safe_load((EXAMPLES / "calculator-sft.yaml").read_text())
    body["spec"]["model"] = {"path": str(tmp_path / "llama")}
    body["spec"]["algorithm"] = {"type": "GRPO", "grpo": {"steps": 2, "learningRate": "1e-2"}}
    body["spec"]["task"]["rewards"] = [{"name": "length"}]
    body["spec"]["evaluation"]["questions"] = 16
    run_here(check_manifest(body), EXAMPLES / "calculator-sft.yaml", tmp_path / "out", Stop())
    (run,) = (tmp_path / "out" / "team-a" / "calculator-sft").iterdir()
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert min(m["values"]["grad_norm"] for m in steps if m["kind"] == "step") > 0
    assert max(m["values"]["sampling_logp_difference/max"] for m in steps if m["kind"] == "step") <= 1e-4
    trajectories = [json.loads(line) for line in (run / "trajectories.jsonl").read_text().splitlines()]
    assert len(trajectories) == 2 * 16 * 8
    assert {t["segments"][0]["token_ids"][0] for t in trajectories} == {1}
    (saved,) = run.glob("step-2-*")
    assert type(AutoModelForCausalLM.from_pretrained(saved)) is LlamaForCausalLM
    assert AutoTokenizer.from_pretrained(saved).decode([1, 6]) == "<s>$"
    before, after = (load_file(folder / "model.safetensors") for folder in (tmp_path / "llama", saved))
    assert any(not torch.equal(before[name], after[name]) for name in before)
