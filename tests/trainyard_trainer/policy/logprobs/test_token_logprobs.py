"""Log-probabilities and their gradients equal the slow way's in float64, for every way a model makes logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from trainyard_trainer.policy.logprobs import tiles as token_logprobs_tiles
from trainyard_trainer.policy.logprobs.token_logprobs import Support, token_logprobs

RULES: dict[str, dict[str, Any]] = {
    "plain": {},
    "temperature": {"temperature": 0.7},
    "softcap": {"softcap": 2.0},
    "scale": {"scale": 0.3},
    "all": {"temperature": 1.3, "softcap": 2.5, "scale": 1.7},
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


@dataclass(frozen=True)
class Case:
    """A head, targets, the gradients that a loss would send back, and the ids kept at some positions."""

    hidden: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    targets: torch.Tensor
    grads: torch.Tensor
    kept: list[list[int] | None]

    @property
    def leaves(self) -> list[torch.Tensor]:
        return [leaf for leaf in (self.hidden, self.weight, self.bias) if leaf is not None]


def case(
    dtype: torch.dtype = torch.float64, *, tokens: int = 37, bias: bool = True, cut_every: int = 0, seed: int = 0
) -> Case:
    """101 ids and 12 hidden numbers; logits spread over some nats. Every `cut_every`th position keeps 1 to 9 ids."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(101, (tokens,), generator=generator)
    kept: list[list[int] | None] = [None] * tokens
    for position in range(0, tokens, cut_every) if cut_every else ():
        others = torch.randperm(101, generator=generator)[: position % 9].tolist()
        kept[position] = sorted({int(targets[position]), *others})
    return Case(
        hidden=torch.randn(tokens, 12, generator=generator).to(dtype).requires_grad_(),
        weight=torch.randn(101, 12, generator=generator).to(dtype).requires_grad_(),
        bias=torch.randn(101, generator=generator).to(dtype).requires_grad_() if bias else None,
        targets=targets,
        grads=torch.randn(tokens, generator=generator),
        kept=kept,
    )


def slow(
    given: Case, *, temperature: float = 1.0, softcap: float | None = None, scale: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Log-probabilities, entropies and gradients by autograd through all logits, in float64."""
    leaves = [leaf.detach().double().requires_grad_() for leaf in given.leaves]
    logits = leaves[0] @ leaves[1].T * scale + (leaves[2] if given.bias is not None else 0.0)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    logits = logits / temperature
    cut = torch.zeros(logits.shape, dtype=torch.bool)
    for position, ids in enumerate(given.kept):
        if ids is not None:
            cut[position] = True
            cut[position, ids] = False
    logprobs = logits.masked_fill(cut, -torch.inf).log_softmax(-1)
    entropies = -(logprobs.exp() * logprobs.masked_fill(cut, 0.0)).sum(-1)
    chosen = logprobs[torch.arange(len(given.targets)), given.targets]
    (chosen * given.grads.double()).sum().backward()
    return chosen.detach(), entropies.detach(), gradients(leaves)


def gradients(leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    """Theirs; each has one."""
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def fast(given: Case, **rule: Any) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """The same, by what is tested here."""
    logprobs, entropies = token_logprobs(
        given.hidden,
        given.weight,
        given.targets,
        bias_V=given.bias,
        support=Support.of(given.kept),
        want_entropy=True,
        **rule,
    )
    (logprobs * given.grads).sum().backward()
    assert entropies is not None
    return logprobs.detach(), entropies, gradients(given.leaves)


def error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference over the largest number."""
    return float((got.double() - wanted).abs().max() / wanted.abs().max())


@pytest.fixture
def tiny_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles, of which neither the last tokens nor the last ids fill theirs."""
    monkeypatch.setattr(token_logprobs_tiles, "TOKEN_TILE", 8)
    monkeypatch.setattr(token_logprobs_tiles, "VOCABULARY_TILE", 16)


@pytest.mark.usefixtures("tiny_tiles")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("cut_every", [0, 1, 3], ids=["whole", "cut", "mixed"])
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("rule", RULES)
def test_it_is_the_slow_way(rule: str, bias: bool, cut_every: int, dtype: torch.dtype) -> None:
    """Values, entropies and every gradient, over the whole vocabulary, a kept part of it, and both in one call."""
    given = case(dtype, bias=bias, cut_every=cut_every)
    logprobs, entropies, found = fast(given, **RULES[rule])
    wanted_logprobs, wanted_entropies, wanted = slow(given, **RULES[rule])
    assert logprobs.dtype == entropies.dtype == dtype
    assert error(logprobs, wanted_logprobs) <= TOLERANCE[dtype]
    assert error(entropies, wanted_entropies) <= TOLERANCE[dtype]
    assert len(found) == len(wanted)
    assert max(error(*pair) for pair in zip(found, wanted, strict=True)) <= TOLERANCE[dtype]


@pytest.mark.usefixtures("tiny_tiles")
@pytest.mark.parametrize("cut_every", [0, 2])
def test_the_backward_is_the_derivative_of_the_forward(cut_every: int) -> None:
    """By finite differences: nothing of the slow way's thinking is in it."""
    given = case(tokens=9, cut_every=cut_every)

    def logprobs(*leaves: torch.Tensor) -> torch.Tensor:
        hidden, weight, bias = leaves
        support = Support.of(given.kept)
        rule = RULES["all"]
        return token_logprobs(hidden, weight, given.targets, bias_V=bias, support=support, **rule)[0]

    assert torch.autograd.gradcheck(logprobs, given.leaves, fast_mode=True)


@pytest.mark.parametrize("cut_every", [0, 1])
def test_bfloat16_is_computed_in_float32(cut_every: int) -> None:
    """Bit for bit what float32 makes of the same numbers, and only the gradients are rounded, once, at their end."""
    coarse = case(torch.bfloat16, cut_every=cut_every)
    leaves = [leaf.detach().float().requires_grad_() for leaf in coarse.leaves]
    sharp = Case(leaves[0], leaves[1], leaves[2], coarse.targets, coarse.grads, coarse.kept)
    logprobs, entropies, found = fast(coarse)
    wanted_logprobs, wanted_entropies, wanted = fast(sharp)
    assert torch.equal(logprobs, wanted_logprobs)
    assert torch.equal(entropies, wanted_entropies)
    assert [gradient.dtype for gradient in found] == [torch.bfloat16] * 3
    assert all(torch.equal(got, want.bfloat16()) for got, want in zip(found, wanted, strict=True))


def test_autocast_does_not_coarsen_it() -> None:
    """A training loop in bfloat16 autocast gets the same bits as one without."""
    plain, under = case(torch.float32), case(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = fast(under)
    wanted = fast(plain)
    assert all(torch.equal(*pair) for pair in zip((*got[:2], *got[2]), (*wanted[:2], *wanted[2]), strict=True))


@pytest.mark.parametrize("cut_every", [0, 1, 2])
def test_equal_inputs_give_equal_bits(cut_every: int) -> None:
    """A resumed run must not drift from an undisturbed one."""
    first, second = (fast(case(torch.float32, cut_every=cut_every)) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip((*first[:2], *first[2]), (*second[:2], *second[2]), strict=True))


@pytest.mark.parametrize("cut_every", [0, 1])
def test_a_frozen_head_gets_no_gradient(cut_every: int) -> None:
    """As under LoRA: hidden states still do, and it is the same."""
    given, frozen = case(cut_every=cut_every), case(cut_every=cut_every)
    frozen.weight.requires_grad_(requires_grad=False)
    assert frozen.bias is not None
    frozen.bias.requires_grad_(requires_grad=False)
    (hidden, *_), found = fast(given)[2], fast(frozen)[2]
    assert frozen.weight.grad is None
    assert frozen.bias.grad is None
    assert len(found) == 1
    assert torch.equal(found[0], hidden)


def test_huge_logits_stay_finite() -> None:
    """The sum is taken relative to the largest logit: +-1e4 neither overflows nor loses the chosen one."""
    hidden = torch.tensor([[1e4], [-1e4]])
    weight = torch.tensor([[1.0], [-1.0], [1.0 - 1e-4]])
    logprobs, entropies = token_logprobs(hidden, weight, torch.tensor([0, 1]), want_entropy=True)
    assert entropies is not None
    wanted = (hidden.double() @ weight.double().T).log_softmax(-1)
    assert error(logprobs, wanted[[0, 1], [0, 1]]) <= 1e-3
    assert bool(entropies.isfinite().all())


def test_a_nan_is_seen_where_it_is_and_not_beside() -> None:
    """A broken position must show in the loss, not be folded away; the others keep their values."""
    given = case(torch.float32)
    hidden = given.hidden.detach().clone()
    hidden[5] = torch.nan
    logprobs, _ = token_logprobs(hidden, given.weight, given.targets)
    assert logprobs.isnan().nonzero().flatten().tolist() == [5]


def test_no_tokens_give_nothing_and_gradients_of_zero() -> None:
    """A rank whose share is all padding goes through the same calls."""
    given = case(tokens=0)
    logprobs, entropies, found = fast(given)
    assert logprobs.shape == entropies.shape == (0,)
    assert [gradient.shape for gradient in found] == [(0, 12), (101, 12), (101,)]
    assert not any(gradient.any() for gradient in found)


def test_entropy_is_not_computed_unless_wanted() -> None:
    """And where it is, it carries no gradient."""
    given = case(cut_every=2)
    arguments = (given.hidden, given.weight, given.targets)
    assert token_logprobs(*arguments)[1] is None
    for support in (None, Support.of(given.kept)):
        entropies = token_logprobs(*arguments, support=support, want_entropy=True)[1]
        assert entropies is not None
        assert not entropies.requires_grad


def test_a_support_of_everything_is_the_whole_vocabulary() -> None:
    """Two code paths, one number."""
    whole, cut = case(), case()
    cut.kept[:] = [list(range(101))] * 37
    got, wanted = fast(cut), fast(whole)
    pairs = zip((*got[:2], *got[2]), (*wanted[:2], *wanted[2]), strict=True)
    assert max(error(*pair) for pair in pairs) <= 1e-12


def test_a_support_of_one_is_certain() -> None:
    """Greedy by top-k 1: probability 1, entropy 0, and nothing to learn."""
    given = case()
    given.kept[:] = [[token] for token in given.targets.tolist()]
    logprobs, entropies, found = fast(given)
    assert not logprobs.any()
    assert not entropies.any()
    assert not any(gradient.any() for gradient in found)


def test_no_cut_position_is_no_support() -> None:
    """What the sampler hands on where no filter is set."""
    assert Support.of([None, None]) is None


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an id too large": ({"targets_N": torch.tensor([0, 101])}, "targets_N: .*101"),
    "a negative id": ({"targets_N": torch.tensor([-100, 5])}, "targets_N: .*-100"),
    "too few targets": ({"targets_N": torch.tensor([1])}, "targets_N: .*1.* for 2 hidden states"),
    "targets of floats": ({"targets_N": torch.tensor([1.0, 2.0])}, "targets_N: .*float32"),
    "another width": ({"weight_VH": torch.zeros(101, 11)}, r"hidden_NH, weight_VH: .*\(2, 12\) and \(101, 11\)"),
    "another bias": ({"bias_V": torch.zeros(7)}, "bias_V: .*7.* for 101 rows"),
    "no temperature": ({"temperature": 0.0}, "temperature: .*got 0.0"),
    "a softcap of nan": ({"softcap": float("nan")}, "softcap: .*got nan"),
    "an endless scale": ({"scale": float("inf")}, "scale: .*got inf"),
    "kept ids too large": ({"support": Support.of([[1, 101], None])}, "support.ids: .*101"),
    "a token that wasn't kept": (
        {"support": Support.of([[1, 3], [3]])},
        "support.ids: .*token 2 0 times at position 1",
    ),
    "a token kept twice": ({"support": Support.of([[1, 1], None])}, "support.ids: .*token 1 2 times at position 0"),
    "nothing kept": ({"support": Support.of([[], None])}, "support.ids: .*token 1 0 times"),
    "a position too far": ({"support": Support.of([None, None, [1]])}, r"support.positions: .*\[0, 2\).*got 2"),
    "positions in disorder": (
        {"support": Support(torch.tensor([1, 0]), torch.tensor([2, 1]), torch.tensor([1, 1]))},
        "support.positions: must ascend",
    ),
    "lengths that don't sum": (
        {"support": Support(torch.tensor([0]), torch.tensor([1, 2]), torch.tensor([1]))},
        "support: .*sum to 1, 2 ids",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(name: str) -> None:
    """Before any gradient, with the argument's name and what it got."""
    wrong, message = BAD[name]
    given = {"hidden_NH": torch.zeros(2, 12), "weight_VH": torch.zeros(101, 12), "targets_N": torch.tensor([1, 2])}
    with pytest.raises(ValueError, match=message):
        token_logprobs(**(given | wrong))
