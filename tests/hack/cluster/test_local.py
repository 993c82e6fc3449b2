"""The local cluster belongs to one cache."""

from __future__ import annotations

import pytest

from hack.cluster import local
from hack.cluster.progress import ClusterError


@pytest.mark.usefixtures("cache")
def test_status_of_no_cluster_is_not_well(capsys):
    """Where nothing is up, status says how to change that and is not well."""
    assert local.status() is False
    assert "hack.cluster up" in capsys.readouterr().out


def test_the_cluster_of_another_cache_is_not_touched(cache, tmp_path):
    """A second checkout with a cache of its own stops before it would clear away the first one's running cluster."""
    note = tmp_path / "owner"
    local.refuse_another_owners(note)
    note.write_text(str(cache))
    local.refuse_another_owners(note)
    (tmp_path / "link").symlink_to(cache)
    note.write_text(str(tmp_path / "link"))
    local.refuse_another_owners(note)
    note.write_text("/elsewhere/.cache/trainyard")
    with pytest.raises(ClusterError, match=r"TRAINYARD_CACHE=/elsewhere/.cache python -m hack.cluster down"):
        local.refuse_another_owners(note)
