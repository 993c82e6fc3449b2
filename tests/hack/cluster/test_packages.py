"""What must be installed before a cluster is made."""

from __future__ import annotations

import os

import pytest

from hack.cluster import packages
from hack.cluster.progress import ClusterError


def test_missing_packages_are_named_where_they_can_not_be_installed(monkeypatch):
    """Who may not install is told what to have installed."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    packages.check({"coreutils": "sh"})
    with pytest.raises(ClusterError, match=r"packages: no-such-package \(Debian's names\)"):
        packages.check({"coreutils": "sh", "no-such-package": "no-such-program"})
