"""The pinned programs and the compiler that builds them."""

from __future__ import annotations

import re
import shutil

import pytest

from hack.cluster import binaries, layout
from hack.cluster.progress import ClusterError


def test_every_change_of_the_module_names_another_folder(tmp_path, monkeypatch):
    """A changed version, source line or stamp never runs yesterday's binaries."""
    copy = tmp_path / "go"
    shutil.copytree(binaries._MODULE, copy)
    monkeypatch.setattr(binaries, "_MODULE", copy)
    seen = {binaries.fingerprint()}
    for file in ("go.mod", "go.sum", "cmd/kube/main.go"):
        (copy / file).write_text((copy / file).read_text() + "\n")
        seen.add(binaries.fingerprint())
    monkeypatch.setattr(layout, "KUBERNETES", "v1.36.4")
    seen.add(binaries.fingerprint())
    assert len(seen) == 5


def test_the_stamped_version_is_the_pinned_one():
    """The API server can't claim another version than the module that it is built from."""
    text = (binaries._MODULE / "go.mod").read_text()
    assert re.search(rf"^\s*k8s\.io/kubernetes {re.escape(layout.KUBERNETES)}$", text, re.MULTILINE)
    staging = set(re.findall(r"^\s*k8s\.io/\S+ => k8s\.io/\S+ (\S+)$", text, re.MULTILINE))
    assert staging == {layout.KUBERNETES.replace("v1.", "v0.", 1)}


def test_a_link_is_built_by_its_program():
    """Asking for kubectl builds the one binary that is also etcd and the kubelet; an unknown name is refused."""
    assert binaries.owner_of("kubectl") == binaries.owner_of("etcd") == "kube"
    assert binaries.owner_of("helm") == "helm"
    with pytest.raises(ClusterError, match="got 'kubect'"):
        binaries.owner_of("kubect")


def test_a_program_without_its_links_is_missing(tmp_path):
    """A build that was cut off between the binary and its names is done again."""
    (tmp_path / "kube").touch()
    assert binaries.missing(tmp_path, ["kube"]) == ["kube"]
    for link in binaries.PROGRAMS["kube"].links:
        (tmp_path / link).symlink_to("kube")
    assert binaries.missing(tmp_path, ["kube"]) == []
    assert binaries.missing(tmp_path, ["helm", "kube"]) == ["helm"]
