"""Token losses and their gradients, against a slow version written from the papers, one token at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard_api.algorithm import GRPOConfig, KLEstimator, KLPenalty, LossType
from trainyard_trainer.algorithms.losses import DEFAULT_CLIPS, Clip, clip_of, make_loss
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.numbers import Kind
from trainyard_trainer.policy.loss import LossInputs, TokenLosses


@dataclass(frozen=True)
class Token:
    """One policy token: log-probabilities, advantage, trajectory, and its weight in the sum."""

    logprob: float
    old: float
    reference: float
    advantage: float
    trajectory: int
    weight: float = 1.0


def config(loss: LossType, **changes: Any) -> GRPOConfig:
    """Settings of that loss; DrGRPO with the constant that it must have."""
    constant = 7 if loss is LossType.DR_GRPO else None
    return GRPOConfig(**({"loss": loss, "steps": 1, "max_policy_tokens": constant} | changes))


def run(chosen: GRPOConfig, tokens: Sequence[Token]) -> tuple[TokenLosses, list[float]]:
    """Our losses, and the gradient of their weighted sum."""
    columns = {
        name: torch.tensor([getattr(token, name) for token in tokens], dtype=torch.float64)
        for name in ("logprob", "old", "reference", "advantage", "weight")
    }
    logprobs = columns["logprob"].requires_grad_()
    found = make_loss(chosen)(
        LossInputs(
            logprobs=logprobs,
            old_logprobs=columns["old"],
            reference_logprobs=columns["reference"] if chosen.kl else None,
            advantages=columns["advantage"],
            trajectories=torch.tensor([token.trajectory for token in tokens], dtype=torch.long),
        )
    )
    (found.losses * columns["weight"]).sum().backward()
    return found, logprobs.grad.tolist()


def slow_ratio(chosen: GRPOConfig, tokens: Sequence[Token], token: Token) -> float:
    """The ratio of a token's probabilities; of GSPO the geometric mean over its trajectory."""
    if chosen.loss is not LossType.GSPO:
        return math.exp(token.logprob - token.old)
    gaps = [other.logprob - other.old for other in tokens if other.trajectory == token.trajectory]
    return math.exp(sum(gaps) / len(gaps))


def slow_surrogate(chosen: GRPOConfig, token: Token, ratio: float) -> tuple[float, float]:
    """A token's loss without penalty, and the loss's slope in the token's log-probability."""
    clip = clip_of(chosen)
    if chosen.loss is LossType.CISPO:
        kept = min(ratio, clip.high)
        return -kept * token.advantage * token.logprob, -kept * token.advantage
    if token.advantage > 0 and ratio > 1 + clip.high:
        return -(1 + clip.high) * token.advantage, 0.0
    if token.advantage < 0 and ratio < 1 - clip.low:
        return -(1 - clip.low) * token.advantage, 0.0
    if token.advantage < 0 and clip.dual is not None and ratio > clip.dual:
        return -clip.dual * token.advantage, 0.0
    return -ratio * token.advantage, -ratio * token.advantage


def slow(chosen: GRPOConfig, tokens: Sequence[Token]) -> tuple[list[float], list[float]]:
    """All losses, and the gradient of their weighted sum, by hand."""
    losses, slopes = [], [0.0] * len(tokens)
    for place, token in enumerate(tokens):
        ratio = slow_ratio(chosen, tokens, token)
        loss, slope = slow_surrogate(chosen, token, ratio)
        slopes[place] += token.weight * slope
        if chosen.kl is not None:
            beta, gap = float(chosen.kl.coefficient), token.reference - token.logprob
            k3 = math.exp(gap) - gap - 1
            value, own_slope, through_ratio = {
                KLEstimator.K1: (-gap, 1.0, 0.0),
                KLEstimator.K2: (gap * gap / 2, -gap, 0.0),
                KLEstimator.K3: (k3, 1 - math.exp(gap), 0.0),
                KLEstimator.CORRECTED_K3: (ratio * k3, ratio * (1 - math.exp(gap)), ratio * k3),
            }[chosen.kl.estimator]
            loss += beta * value
            slopes[place] += token.weight * beta * own_slope
            shared = [place]
            if chosen.loss is LossType.GSPO:
                shared = [at for at, other in enumerate(tokens) if other.trajectory == token.trajectory]
            for at in shared:
                slopes[at] += token.weight * beta * through_ratio / len(shared)
        losses.append(loss)
    return losses, slopes


LOGPROBS = st.floats(-3.0, -0.01)
TOKENS = st.lists(
    st.builds(
        Token,
        logprob=LOGPROBS,
        old=LOGPROBS,
        reference=LOGPROBS,
        advantage=st.sampled_from([-1.7, -0.3, 0.0, 0.4, 1.9]),
        trajectory=st.integers(0, 2),
        weight=st.floats(0.1, 1.0),
    ),
    min_size=1,
    max_size=12,
)
PENALTIES = [None, *KLEstimator]


@pytest.mark.parametrize("dual_clip", [None, "1.1", "3.0"])
@pytest.mark.parametrize("estimator", PENALTIES)
@pytest.mark.parametrize("loss", list(LossType))
def test_losses_and_gradients_are_those_of_the_slow_version(
    loss: LossType, estimator: KLEstimator | None, dual_clip: str | None
) -> None:
    """To 1e-10 in float64, for every loss, penalty and bound, wherever tokens lie."""
    chosen = config(
        loss,
        kl=KLPenalty(coefficient="0.7", estimator=estimator) if estimator else None,
        dual_clip=None if loss is LossType.CISPO else dual_clip,
    )

    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(TOKENS)
    def check(tokens: list[Token]) -> None:
        found, gradient = run(chosen, tokens)
        losses, slopes = slow(chosen, tokens)
        assert found.losses.tolist() == pytest.approx(losses, rel=1e-10, abs=1e-10)
        assert gradient == pytest.approx(slopes, rel=1e-10, abs=1e-10)
        assert (found.kl is None) == (estimator is None)

    check()


@pytest.mark.parametrize("loss", list(LossType))
@given(tokens=TOKENS)
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
def test_on_policy_every_loss_has_the_gradient_of_minus_advantage_times_logprob(
    loss: LossType, tokens: list[Token]
) -> None:
    """Where the old policy is the policy no clip bites, and the losses differ in nothing but their denominators."""
    same = [Token(one.logprob, one.logprob, 0.0, one.advantage, one.trajectory, one.weight) for one in tokens]
    found, gradient = run(config(loss), same)
    assert gradient == pytest.approx([-one.weight * one.advantage for one in same], abs=1e-12)
    assert not (found.clipped_low | found.clipped_high).any()


@pytest.mark.parametrize(
    ("ratio", "advantage", "low", "high"),
    [
        (1.5, 1.0, False, True),  # already much likelier: no further push
        (1.5, -1.0, False, False),  # likelier though bad: pushed back
        (3.5, -1.0, False, True),  # far likelier though bad: no more than the dual bound says
        (0.5, 1.0, False, False),  # rarer though good: pulled up
        (0.5, -1.0, True, False),  # already much rarer: no further push
        (9.0, 0.0, False, False),  # nothing to clip
    ],
)
def test_flags_name_the_tokens_whose_gradient_a_clip_cut(ratio: float, advantage: float, low: bool, high: bool) -> None:
    """And only they have none, but for an advantage of 0."""
    token = Token(math.log(ratio) - 3, -3.0, 0.0, advantage, 0)
    found, gradient = run(config(LossType.DAPO, dual_clip="3.0"), [token])
    assert (found.clipped_low.tolist(), found.clipped_high.tolist()) == ([low], [high])
    assert (gradient == [0.0]) == (low or high or advantage == 0)


def test_cispo_cuts_the_weight_and_keeps_the_gradient() -> None:
    """A ratio of 7.4 counts 5 times; the flag says that it was cut."""
    found, gradient = run(config(LossType.CISPO), [Token(-1.0, -3.0, 0.0, 0.5, 0), Token(-1.0, -1.5, 0.0, 0.5, 0)])
    assert gradient == pytest.approx([-2.5, -0.5 * math.exp(0.5)])
    assert found.clipped_high.tolist() == [True, False]


@pytest.mark.parametrize(
    ("loss", "bounds", "token"),
    [
        (LossType.CISPO, {"epsilon_high": "1.0"}, Token(-1.0, -1.0, 0.0, 1.0, 0)),
        (LossType.DAPO, {"epsilon_high": "0.0"}, Token(-1.0, -1.0, 0.0, 1.0, 0)),
        (LossType.DAPO, {"epsilon_low": "0.0"}, Token(-1.0, -1.0, 0.0, -1.0, 0)),
        (LossType.DAPO, {"dual_clip": "2.0"}, Token(0.0, -math.log(2), 0.0, -1.0, 0)),
    ],
)
def test_a_ratio_at_the_bound_is_not_cut(loss: LossType, bounds: dict[str, str], token: Token) -> None:
    """A bound is the last ratio that counts, on either side."""
    found, _ = run(config(loss, **bounds), [token])
    assert (found.clipped_low.tolist(), found.clipped_high.tolist()) == ([False], [False])


@pytest.mark.parametrize("penalty", [None, KLPenalty(coefficient="0.1")])
def test_a_penalty_takes_nothing_from_what_is_measured_of_clips(penalty: KLPenalty | None) -> None:
    """Its own number comes beside them."""
    tokens = [Token(math.log(ratio) - 3, -3.0, -2.0, advantage, 0) for ratio, advantage in ((1.5, 1.0), (0.5, -1.0))]
    found, _ = run(config(LossType.DAPO, kl=penalty), tokens)
    assert (found.clipped_low.tolist(), found.clipped_high.tolist()) == ([False, True], [True, False])


def test_what_is_measured_of_a_loss_stands_under_its_own_name() -> None:
    """Means over policy tokens: the penalty's estimate, and the shares that either bound cut."""
    tokens = [Token(math.log(ratio) - 3, -3.0, -2.0, advantage, 0) for ratio, advantage in ((1.5, 1.0), (0.5, -1.0))]
    found, _ = run(config(LossType.DAPO, kl=KLPenalty(estimator=KLEstimator.K1)), tokens)
    numbers = make_loss(config(LossType.DAPO)).numbers
    measured = {name: (number.kind, number.of(None, found).tolist()) for name, number in numbers.items()}
    assert measured == {
        "kl": (Kind.MEAN, found.kl.tolist()),
        "clip_ratio/low_mean": (Kind.MEAN, [False, True]),
        "clip_ratio/high_mean": (Kind.MEAN, [True, False]),
    }
    assert found.kl.tolist() == pytest.approx([math.log(1.5) - 1, math.log(0.5) - 1])


def test_a_bound_of_0_cuts_every_smaller_ratio() -> None:
    """It isn't taken for no bound."""
    found, gradient = run(config(LossType.DAPO, epsilon_low="0.0"), [Token(-1.01, -1.0, 0.0, -1.0, 0)])
    assert (found.clipped_low.tolist(), gradient) == ([True], [0.0])


@pytest.mark.parametrize("log_ratio", [25.0, -25.0])
@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_a_token_that_far_from_the_old_policy_has_no_gradient_left(log_ratio: float, advantage: float) -> None:
    """Whether it has become likelier or rarer, good or bad."""
    assert run(config(LossType.DAPO), [Token(-26.0 + log_ratio, -26.0, 0.0, advantage, 0)])[1] == [0.0]


@pytest.mark.parametrize("advantage", [1.0, -1.0, 0.5])
def test_cispo_flags_whatever_advantage_it_cut(advantage: float) -> None:
    """Bad tokens like good ones; a token that nothing is learned from isn't counted."""
    found, _ = run(config(LossType.CISPO), [Token(-1.0, -3.0, 0.0, advantage, 0), Token(-1.0, -3.0, 0.0, 0.0, 1)])
    assert found.clipped_high.tolist() == [True, False]
    assert found.clipped_low.tolist() == [False, False]


def test_gspo_clips_a_trajectory_as_a_whole() -> None:
    """A token far off pulls its trajectory's other token over the bound, and no other trajectory's."""
    tokens = [Token(-1.0, -1.2, 0.0, 1.0, 0), Token(-1.0, -1.0, 0.0, 1.0, 0), Token(-1.0, -1.0, 0.0, 1.0, 1)]
    found, gradient = run(config(LossType.GSPO), tokens)
    assert found.clipped_high.tolist() == [True, True, False]
    assert gradient == [0.0, 0.0, -1.0]


def test_gspo_gives_each_token_its_own_advantage() -> None:
    """With credit by turn a trajectory's tokens share the ratio, not the advantage."""
    tokens = [Token(-1.0, -1.0, 0.0, 2.0, 0), Token(-1.0, -1.0, 0.0, -1.0, 0)]
    assert run(config(LossType.GSPO), tokens)[1] == [-2.0, 1.0]


@pytest.mark.parametrize("estimator", PENALTIES)
@pytest.mark.parametrize("loss", list(LossType))
def test_nothing_overflows(loss: LossType, estimator: KLEstimator | None) -> None:
    """However far policy, old policy and reference are apart, in float32."""
    chosen = config(loss, kl=KLPenalty(estimator=estimator) if estimator else None)
    logprobs = torch.tensor([-1e-3, -1e4, -1e4, -1e-3], requires_grad=True)
    far = torch.tensor([-1e4, -1e-3, -1e-3, -1e4])
    found = make_loss(chosen)(
        LossInputs(logprobs, far, far.flip(0), torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.arange(4))
    )
    found.losses.sum().backward()
    assert found.losses.isfinite().all()
    assert logprobs.grad.isfinite().all()


@pytest.mark.parametrize("loss", list(LossType))
def test_without_tokens_there_are_no_losses(loss: LossType) -> None:
    """A pass may hold tool results and prompts only."""
    none = torch.zeros(0)
    found = make_loss(config(loss))(LossInputs(none, none, None, none, torch.zeros(0, dtype=torch.long)))
    assert found.losses.shape == (0,)


def test_supervised_loss_is_the_negative_log_likelihood() -> None:
    """No advantage, no clip."""
    values = torch.tensor([-1.0, -0.5])
    found = SFT_LOSS(LossInputs(values, values, None, values, torch.zeros(2, dtype=torch.long)))
    assert found.losses.tolist() == [1.0, 0.5]
    assert (found.clipped_low, found.clipped_high, found.kl) == (None, None, None)


def described(field: str) -> dict[LossType, float | None]:
    """The defaults that a field's description gives, by loss."""
    text = " ".join(str(GRPOConfig.model_fields[field].description).split()).split("Default: ")[1]
    found: dict[LossType, float | None] = {}
    for value, losses in re.findall(r"(none|\d[\d.e-]*) for ((?:[A-Z][A-Za-z]+(?:, | and )?)+)", text):
        for loss in re.findall(r"[A-Z][A-Za-z]+", losses):
            found[LossType(loss)] = None if value == "none" else float(value)
    return found


def test_default_bounds_are_those_that_the_manifest_describes() -> None:
    """For every loss; `kubectl explain` says what is computed."""
    assert {loss: clip.low for loss, clip in DEFAULT_CLIPS.items()} == described("epsilon_low")
    assert {loss: clip.high for loss, clip in DEFAULT_CLIPS.items()} == described("epsilon_high")
    assert set(DEFAULT_CLIPS) == set(LossType)


def test_bounds_of_the_manifest_replace_the_defaults_one_by_one() -> None:
    """Setting one leaves the other."""
    assert clip_of(config(LossType.DAPO, epsilon_low="0.1")) == Clip(0.1, 0.28, None)
    assert clip_of(config(LossType.GSPO, epsilon_high="1e-3", dual_clip="2.5")) == Clip(3e-4, 1e-3, 2.5)
