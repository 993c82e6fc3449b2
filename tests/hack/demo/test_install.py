"""What brings the demo up: programs of hack, and the chart with the images that were just built."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster.state import ClusterState
from hack.demo.install import ROOT, VALUES, images_in_background, install_chart, run_module
from hack.images import refs
from hack.kubectl import Kubectl
from tests.hack.programs import Program


def test_a_program_that_fails_ends_the_demo_with_its_own_status() -> None:
    """It has said why: nothing is added."""
    with pytest.raises(SystemExit) as caught:
        run_module("hack.tiers")
    assert caught.value.code == 2


def test_the_chart_gets_the_images_of_the_last_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As texts, for a tag may look like a number; helm waits until the operator is ready."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    refs.save({"operator": "here/operator:1e3", "trainer": "here/trainer:2"})
    helm = Program(tmp_path / "bin", "helm")
    cluster = ClusterState(tmp_path / "kubeconfig", "there", "", tmp_path / "bin", "local", "")
    install_chart(Kubectl(cluster), "operator.logLevel=DEBUG")
    (call,) = helm.calls
    assert call[:5] == ["--kube-context", "there", "upgrade", "--install", "trainyard"]
    assert {"--wait", str(VALUES), str(ROOT / "charts/trainyard")} <= set(call)
    set_ = [call[place + 1] for place, part in enumerate(call) if part == "--set-string"]
    assert set_ == ["image.operator=here/operator:1e3", "image.trainer=here/trainer:2", "operator.logLevel=DEBUG"]


def test_a_background_build_ends_with_what_it_was_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in front isn't held up by it, and no builder is left behind."""
    builder = Program(tmp_path, "python")
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(RuntimeError, match="in front"), images_in_background():
        raise RuntimeError("in front")
    assert builder.calls in ([], [["-m", "hack.images", "build", "--no-push"]])
    assert (tmp_path / "trainyard" / "images-in-background.log").exists()
