"""What other programs read of the cluster."""

from __future__ import annotations

from hack.cluster import state


def test_a_saved_state_is_read_back(cache):
    """What `up` wrote is what tests, images and demo see; nothing, where nothing is up."""
    assert state.load() is None
    made = state.ClusterState(cache / "kubeconfig", "there", "127.0.0.1:1", cache / "bin", "local", "/run/x.sock")
    state.save(made)
    assert state.load() == made
