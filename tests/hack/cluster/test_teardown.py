"""Down leaves nothing on the machine, seen on a second cluster in namespaces of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hack.cluster import binaries
from tests.waiting import GUARD_SECONDS

pytestmark = pytest.mark.e2e


@pytest.fixture
def short_folder():
    """A folder whose path leaves room for the names of the kubelet's sockets."""
    with tempfile.TemporaryDirectory(prefix="ty-") as folder:
        yield Path(folder)


def test_down_leaves_no_process_mount_interface_rule_or_cgroup(short_folder):
    """With a pod running, twice: everything is there while the cluster is up, and nothing but logs after `down`."""
    (short_folder / "trainyard").mkdir()
    (short_folder / "trainyard" / "bin").symlink_to(binaries.ensure().parent)
    # With programs and a store it counts as one that was up before: it needs no room for building either.
    (short_folder / "trainyard" / "containerd").mkdir()
    report = short_folder / "report.json"
    script = Path(__file__).with_name("isolated_cluster.py")
    command = ["unshare", "--net", "--mount", sys.executable, str(script), str(report)]
    environment = {**os.environ, "TRAINYARD_CACHE": str(short_folder), "PYTHONPATH": str(Path.cwd())}
    limit = 3 * GUARD_SECONDS
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=limit)
    assert done.returncode == 0, done.stdout + done.stderr
    for seen in json.loads(report.read_text()):
        during, after = seen["during"], seen["after"]
        for kind in ("processes", "mounts", "interfaces", "tables", "routes", "cgroups", "files elsewhere"):
            assert during[kind], f"{kind}: none were seen while the cluster was up, so the search is wrong"
            assert after[kind] == []
        assert during["forwarding"] == ["1"]
        assert after["forwarding"] == ["0"]
        assert after["files"] == ["logs"]
