"""Where the cluster's files lie."""

from __future__ import annotations

from hack.cluster import layout


def test_a_folder_that_is_named_for_the_cache_keeps_its_own_content(cache, tmp_path):
    """Builds are deleted from the cache; a user's `bin` and `build` beside them are not in it."""
    assert layout.cache() == cache
    assert cache.parent == tmp_path
