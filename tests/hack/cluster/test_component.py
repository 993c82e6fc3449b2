"""Configuration of the cluster's components."""

from __future__ import annotations

from hack.cluster.component import write_if_changed


def test_an_unchanged_configuration_is_not_touched(tmp_path):
    """kube-proxy ends when its file is written, even with the same words."""
    path = tmp_path / "folder" / "config"
    write_if_changed(path, "a")
    before = path.stat().st_mtime_ns
    write_if_changed(path, "a")
    assert path.stat().st_mtime_ns == before
    write_if_changed(path, "b")
    assert path.read_text() == "b"
