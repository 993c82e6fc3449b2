"""What each estimator of a divergence pulls towards: exactly, over all outcomes of a distribution."""

from __future__ import annotations

import pytest
import torch

from trainyard_api.algorithm import KLEstimator, KLPenalty
from trainyard_trainer.algorithms.kl import MAX_LOG_DIFFERENCE, divergence

OUTCOMES = 7


def log_distribution(seed: int) -> torch.Tensor:
    """Log-probabilities of a random distribution."""
    logits = torch.randn(OUTCOMES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.log_softmax(1.5 * logits, dim=-1)


def mean_gradient(estimator: KLEstimator, sampled_by: torch.Tensor | None = None) -> torch.Tensor:
    """Of the estimate in the policy's logits, over all tokens as the policy, or an older one, samples them."""
    logits = log_distribution(0).clone().requires_grad_()
    logprobs = torch.log_softmax(logits, dim=-1)
    old = logprobs.detach() if sampled_by is None else sampled_by
    estimates = divergence(estimator, logprobs, log_distribution(1), torch.exp(logprobs - old))
    (old.exp() * estimates).sum().backward()
    return logits.grad


def true_gradient(*, forward: bool) -> torch.Tensor:
    """Of KL(reference || policy), or of KL(policy || reference)."""
    logits = log_distribution(0).clone().requires_grad_()
    policy, reference = torch.log_softmax(logits, dim=-1), log_distribution(1)
    one, other = (reference, policy) if forward else (policy, reference)
    (one.exp() * (one - other)).sum().backward()
    return logits.grad


def test_k1_pulls_nowhere() -> None:
    """Its gradient is 0 on average, though its value is the divergence."""
    assert mean_gradient(KLEstimator.K1).abs().max() < 1e-14


@pytest.mark.parametrize("estimator", [KLEstimator.K2, KLEstimator.CORRECTED_K3])
def test_k2_and_corrected_k3_pull_towards_the_reference(estimator: KLEstimator) -> None:
    """The gradient is that of KL(policy || reference) exactly."""
    assert torch.allclose(mean_gradient(estimator), true_gradient(forward=False), rtol=0, atol=1e-14)


def test_k3_pulls_the_other_way_round() -> None:
    """The gradient is that of KL(reference || policy): another direction."""
    assert torch.allclose(mean_gradient(KLEstimator.K3), true_gradient(forward=True), rtol=0, atol=1e-14)
    cosine = torch.cosine_similarity(true_gradient(forward=True), true_gradient(forward=False), dim=0)
    assert cosine < 0.95


def test_corrected_k3_is_exact_for_samples_of_an_older_policy_too() -> None:
    """The ratio weighs them as the policy of now would have drawn them; k2 alone is off."""
    older = log_distribution(2)
    true = true_gradient(forward=False)
    assert torch.allclose(mean_gradient(KLEstimator.CORRECTED_K3, older), true, rtol=0, atol=1e-14)
    assert not torch.allclose(mean_gradient(KLEstimator.K2, older), true, rtol=0, atol=1e-2)


@pytest.mark.parametrize("estimator", [KLEstimator.K1, KLEstimator.K3, KLEstimator.CORRECTED_K3])
def test_estimates_have_the_divergence_as_their_mean(estimator: KLEstimator) -> None:
    """K1 and K3 are unbiased; K2 isn't."""
    policy, reference = log_distribution(0), log_distribution(1)
    estimates = divergence(estimator, policy, reference, torch.ones(OUTCOMES, dtype=torch.float64))
    true = (policy.exp() * (policy - reference)).sum()
    assert torch.isclose((policy.exp() * estimates).sum(), true, rtol=1e-12)


def test_a_policy_at_its_reference_pays_nothing() -> None:
    """Exactly 0, and so is the gradient."""
    for estimator in KLEstimator:
        same = log_distribution(0).requires_grad_()
        estimates = divergence(estimator, same, same.detach(), torch.exp(same - same.detach()))
        assert not estimates.any()
        if estimator is not KLEstimator.K1:
            estimates.sum().backward()
            assert not same.grad.any()


def test_differences_are_cut_before_they_overflow() -> None:
    """A reference that likes a token e**100 times better costs what one that likes it e**20 times better does."""
    for reference in (0.0, -100.0 + MAX_LOG_DIFFERENCE):
        found = divergence(KLEstimator.K3, torch.tensor([-100.0]), torch.tensor([reference]), torch.ones(1))
        assert found.item() == pytest.approx(torch.tensor(MAX_LOG_DIFFERENCE).exp().item(), rel=1e-5)
    assert MAX_LOG_DIFFERENCE == 20.0
    worse = divergence(KLEstimator.K2, torch.tensor([0.0]), torch.tensor([-1e4]), torch.ones(1))
    assert worse.item() == 0.5 * MAX_LOG_DIFFERENCE**2, "one that likes it less is cut, too"


def test_default_penalty_is_the_one_that_the_manifest_describes() -> None:
    """Corrected k3 with 0.04, by the descriptions of the fields."""
    penalty = KLPenalty()
    assert f"Default: {penalty.coefficient}." in KLPenalty.model_fields["coefficient"].description
    assert f"Default: {penalty.estimator}." in " ".join(KLPenalty.model_fields["estimator"].description.split())
