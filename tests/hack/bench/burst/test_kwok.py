"""kwok is pinned, and kept out of the cluster's own programs."""

from __future__ import annotations

import re
import shutil

from hack.bench.burst import kwok
from hack.cluster import binaries, toolchain


def test_every_change_of_the_module_names_another_folder(tmp_path, monkeypatch):
    """Finds no program in the cache that another version or another stage made."""
    seen = {kwok.fingerprint()}
    copy = shutil.copytree(kwok._MODULE, tmp_path / "go")
    monkeypatch.setattr(kwok, "_MODULE", copy)
    for name in ("go.mod", "go.sum"):
        (copy / name).write_text((copy / name).read_text() + "\n")
        seen.add(kwok.fingerprint())
    monkeypatch.setattr(kwok, "STAGES", kwok.STAGES[1:])
    assert len(seen | {kwok.fingerprint()}) == 4


def test_the_compiler_of_the_cluster_s_programs_builds_it():
    """Needs no newer compiler than they do, and is none of them: whoever builds them all doesn't build kwok."""
    ours, theirs = ((folder / "go.mod").read_text() for folder in (kwok._MODULE, binaries._MODULE))
    assert toolchain.required(ours) <= toolchain.required(theirs)
    assert re.search(r"^tool sigs\.k8s\.io/kwok/cmd/kwok$", ours, re.MULTILINE)
    assert "kwok" not in theirs
    assert "kwok" not in binaries.PROGRAMS


def test_the_command_names_every_stage(tmp_path):
    """Gives each stage's file beside the program."""
    command = kwok.Kwok(tmp_path).command(tmp_path / "kubeconfig")
    stages = [word for word in command if word.startswith("--config=")]
    assert stages == [f"--config={tmp_path / stage.rpartition('/')[2]}" for stage in kwok.STAGES]
