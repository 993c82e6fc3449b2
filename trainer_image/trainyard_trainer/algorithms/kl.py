"""Estimates from the sampled tokens how far the policy is from its reference.

Place in the data's way: station 8, the penalty in a loss. Pure. Estimators by the names of Schulman's note
(http://joschu.net/blog/kl-approx.html), d = log reference - log policy of a token:

=============  ===================  ==============================================================================
estimator      value                mean of its gradient over the policy's own samples
=============  ===================  ==============================================================================
K1             -d                   zero: it measures, it doesn't pull
K2             d**2 / 2             that of KL(policy || reference)
K3             exp(d) - d - 1       that of KL(reference || policy), the other direction
CorrectedK3    ratio x K3           that of KL(policy || reference): the ratio brings in how samples depend on weights
=============  ===================  ==============================================================================

The ratio is the loss's own: a token's, or for GSPO its trajectory's, where the last line holds for one token.
"""

from __future__ import annotations

import torch

from trainyard_api.algorithm import KLEstimator

MAX_LOG_DIFFERENCE = 20.0
"""Differences are cut here before they are exponentiated, so that no penalty overflows."""


def divergence(
    estimator: KLEstimator, logprobs_N: torch.Tensor, reference_logprobs_N: torch.Tensor, ratios_N: torch.Tensor
) -> torch.Tensor:
    """Estimates it for each token, in nats; [N], with the gradient in `logprobs_N` and, if corrected, `ratios_N`."""
    differences_N = (reference_logprobs_N - logprobs_N).clamp(-MAX_LOG_DIFFERENCE, MAX_LOG_DIFFERENCE)
    if estimator is KLEstimator.K1:
        return -differences_N
    if estimator is KLEstimator.K2:
        return 0.5 * differences_N.square()
    k3_N = torch.expm1(differences_N) - differences_N
    return ratios_N * k3_N if estimator is KLEstimator.CORRECTED_K3 else k3_N
