"""What ranks tell each other; two real ranks are in the claims."""

from __future__ import annotations

import torch

from trainyard_trainer.policy import ranks
from trainyard_trainer.policy.ranks import Ranks


def test_one_process_hears_what_it_says() -> None:
    """No group, no messages; gradients are left as they are."""
    alone = Ranks(None, torch.device("cpu"))
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.tensor([1.0, 2.0, 3.0])
    alone.sum_gradients([parameter, torch.nn.Parameter(torch.ones(1))])
    assert parameter.grad.tolist() == [1.0, 2.0, 3.0]
    assert (alone.totals([1.5, 2.0]), alone.largest(3.0), alone.smallest(4.0)) == ([1.5, 2.0], 3.0, 4.0)


def test_gradients_travel_in_buckets_of_one_type(monkeypatch) -> None:
    """In their order, none twice, none left out; one larger than a bucket goes alone."""
    monkeypatch.setattr(ranks, "BUCKET_ELEMENTS", 10)
    sizes = [(4, torch.float32), (6, torch.float32), (1, torch.float32), (1, torch.float64), (30, torch.float64)]
    gradients = [torch.ones(size, dtype=dtype) for size, dtype in sizes]
    assert [[len(one) for one in bucket] for bucket in ranks._buckets(gradients)] == [[4, 6], [1], [1], [30]]
