"""A cluster that somebody else brought up."""

from __future__ import annotations

import json

import pytest

from hack.cluster import context, state
from hack.cluster.progress import ClusterError


def test_a_context_that_is_not_there_is_refused_by_name(cache, monkeypatch):
    """A typing error in TRAINYARD_CONTEXT never falls back to another cluster."""
    kubeconfig = cache.parent / "config"
    kubeconfig.write_text(json.dumps({"contexts": [{"name": "staging"}]}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with pytest.raises(ClusterError, match=r"TRAINYARD_CONTEXT: .*\(staging\); got 'stagin'"):
        context.use("stagin")
    assert state.load() is None
