"""kubectl and helm, always against the test cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.cluster import state
from hack.kubectl import CommandError, Kubectl, condition
from tests.hack.programs import Program


def bound(folder: Path) -> Kubectl:
    """Programs of a folder."""
    return Kubectl(state.ClusterState(folder / "kubeconfig", "there", "", folder, "local", ""))


def test_every_call_names_the_context(tmp_path: Path) -> None:
    """A user's own current context is never written to; each program has its own word for it."""
    kubectl, helm = Program(tmp_path, "kubectl", says="ok"), Program(tmp_path, "helm", says="ok")
    assert bound(tmp_path)("get", "pods") == "ok"
    bound(tmp_path)("list", program="helm")
    assert kubectl.calls == [["--context", "there", "get", "pods"]]
    assert helm.calls == [["--kube-context", "there", "list"]]
    assert bound(tmp_path).environment()["KUBECONFIG"] == str(tmp_path / "kubeconfig")


def test_a_failure_is_what_was_said(tmp_path: Path) -> None:
    """With the command; where nothing is up, with what to do."""
    Program(tmp_path, "kubectl", fails="no such pod")
    with pytest.raises(CommandError, match=r"^kubectl get pod it: no such pod$"):
        bound(tmp_path)("get", "pod", "it")
    assert bound(tmp_path).try_("get", "pod", "it") == (1, "", "no such pod")


def test_without_a_cluster_there_is_nothing_to_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says how to get one."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    with pytest.raises(CommandError, match="run `make cluster-up`"):
        Kubectl.current()


def test_manifests_go_in_and_objects_come_out(tmp_path: Path) -> None:
    """Text by standard input, never by an argument that others can see; lists as their items."""
    program = Program(tmp_path, "kubectl", says=json.dumps({"items": [{"kind": "Pod"}]}))
    bound(tmp_path).apply("kind: Secret\n", "-n", "team-a")
    assert program.calls == [["--context", "there", "apply", "-n", "team-a", "-f", "-"]]
    assert program.read == ["kind: Secret\n"]
    assert bound(tmp_path).items("pods") == [{"kind": "Pod"}]


def test_a_condition_that_is_not_there_is_empty() -> None:
    """Of an object that nobody has looked at yet, too."""
    ready = {"type": "Ready", "status": "True"}
    assert condition({"status": {"conditions": [ready]}}, "Ready") == ready
    assert condition({"status": {"conditions": None}}, "Ready") == {}
    assert condition({}, "Ready") == {}
