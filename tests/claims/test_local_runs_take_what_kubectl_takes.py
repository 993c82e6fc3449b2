"""A run without a cluster reads a manifest as `kubectl apply --validate=strict` does, against a real API server.

Hundreds of manifests go both ways: those kept in tests/contract, one for each rule that breaks it, and generated ones.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.controlplane import control_plane
from hack.generate.crd import definition
from tests.contract import manifest_texts
from tests.contract.generated_manifests import generated
from tests.contract.rules import rules
from tests.contract.server import Server
from trainyard_api.training_job import TrainingJob, parse_training_job
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.manifest import read_manifest
from trainyard_trainer.local.manifest_text import documents

pytestmark = pytest.mark.integration

SPEC = definition(TrainingJob)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
BOUNDS = [rule for rule in rules(SPEC, ("spec",)) if rule.keyword != "x-kubernetes-validations"]
GENERATED = 150


@dataclass(frozen=True)
class Sent:
    """All manifests in a folder, and what kubectl said of them."""

    folder: Path
    labels: dict[str, str]
    """Name of a file → what is in it."""
    created: frozenset[str]
    """Names of the objects that would be made."""
    local: dict[str, TrainingJob | RefusedError]
    """Name of a file → what a local run makes of it."""


def _read(path: Path) -> TrainingJob | RefusedError:
    try:
        return read_manifest(path)
    except RefusedError as error:
        return error


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server with both kinds and the namespaces that the manifests name."""
    with control_plane(tmp_path_factory.mktemp("plane"), controllers=False) as plane:
        server = Server(plane.kubeconfig)
        server.install_crds()
        for namespace in manifest_texts.NAMESPACES[1:]:
            server.must("create", "namespace", namespace)
        yield server


@pytest.fixture(scope="module")
def sent(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Every manifest, sent by one kubectl."""
    folder = tmp_path_factory.mktemp("manifests")
    labels = {}
    kept = [*manifest_texts.legal(), *manifest_texts.texts(), *manifest_texts.broken(BOUNDS)]
    for number, (label, text) in enumerate([*kept, *(("generated", text) for text in generated(GENERATED))]):
        data = text if isinstance(text, bytes) else text.encode()
        labels[f"m{number}.yaml"] = label
        (folder / f"m{number}.yaml").write_bytes(data.replace(b"NAME", f"m{number}".encode()))
    _, said = server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(folder))
    local = {name: _read(folder / name) for name in labels}
    lines = [line.split(" ")[0] for line in said.splitlines() if line.endswith(" created (server dry run)")]
    # An object whose file goes on with what can't be read is made, and kubectl fails.
    unread = {f"m{number}" for number in re.findall(r"error parsing \S*/m([0-9]+)\.yaml", said)}
    return Sent(folder, labels, frozenset(line.partition("/")[2] for line in lines) - unread, local)


def test_both_take_and_refuse_the_same(sent: Sent) -> None:
    """No manifest is taken here and refused there, or the other way round."""
    taken = {name: job.metadata.name for name, job in sent.local.items() if isinstance(job, TrainingJob)}
    wrongly = {f"{sent.labels[name]} ({name})" for name, job in taken.items() if job not in sent.created}
    missing = sent.created - set(taken.values())
    refused = {f"{sent.labels[f'{job}.yaml']} ({job})": str(_read(sent.folder / f"{job}.yaml")) for job in missing}
    assert (wrongly, refused) == (set(), {})
    assert len(taken) > 150
    assert len(sent.labels) - len(taken) > 500


def test_the_known_differences_are_refusals(server: Server, tmp_path: Path) -> None:
    """The few texts that kubectl alone takes are no YAML here; none of them is read as something else."""
    for number, value in enumerate(manifest_texts.LIBYAML_REFUSES):
        # Null afterwards, so that the value itself is no fault of the spec.
        text = f"x: &x {value}\nx: null\n{manifest_texts.MANIFEST.replace('NAME', f'k{number}')}"
        (tmp_path / f"k{number}.yaml").write_text(text)
    said = server.must("apply", "--dry-run=server", "--validate=strict", "-f", str(tmp_path))
    assert said.count(" created (server dry run)") == len(manifest_texts.LIBYAML_REFUSES)
    for number in range(len(manifest_texts.LIBYAML_REFUSES)):
        assert "must be YAML or JSON; " in str(_read(tmp_path / f"k{number}.yaml"))


def test_both_read_the_same(server: Server, sent: Sent, tmp_path: Path) -> None:
    """Of what both take, the spec that the API server stores is the one that a local run obeys, defaults included."""
    jobs = {name: job for name, job in sent.local.items() if isinstance(job, TrainingJob)}
    for name in jobs:
        (tmp_path / name).write_bytes((sent.folder / name).read_bytes())
    stored = json.loads(server.must("apply", "--dry-run=server", "-o", "json", "-f", str(tmp_path)))["items"]
    theirs = {item["metadata"]["name"]: parse_training_job(item) for item in stored}
    assert theirs.keys() == {job.metadata.name for job in jobs.values()}
    differing = [sent.labels[name] for name, job in jobs.items() if theirs[job.metadata.name].spec != job.spec]
    metadata = [
        sent.labels[name]
        for name, job in jobs.items()
        if (theirs[job.metadata.name].metadata.namespace, theirs[job.metadata.name].metadata.labels)
        != (job.metadata.namespace, job.metadata.labels)
    ]
    assert (differing, metadata) == ([], [])


def test_every_refusal_is_told_by_line(sent: Sent) -> None:
    """Each fault is one line `<field>: <rule>; got <value>`, whatever is in the manifest."""
    for name, answer in sent.local.items():
        if isinstance(answer, RefusedError):
            for line in str(answer).split("\n"):
                assert ": " in line, (sent.labels[name], line)
                assert "; got " in line or line.startswith("and "), (sent.labels[name], line)
                assert line.isprintable(), (sent.labels[name], line)


def _stays(body: dict[str, Any]) -> bool:
    """Whether Kubernetes itself doesn't change what is applied: it drops nulls and status, and sets other metadata."""
    known = {"name", "namespace", "labels", "annotations"}
    return body["metadata"].keys() <= known and "status" not in body and "null" not in json.dumps(body)


@contextlib.contextmanager
def _applied(server: Server, sent: Sent, folder: Path, *how: str) -> Iterator[set[str]]:
    """Files of the taken manifests of that kind, in the folder and applied; gone at the end."""
    files = set()
    for name, job in sent.local.items():
        data = (sent.folder / name).read_bytes()
        if isinstance(job, TrainingJob) and _stays(documents(data)[0]):
            (folder / name).write_bytes(data)
            files.add(name)
    server.must("apply", *how, "-f", str(folder))
    yield files
    server.must("delete", "trainingjobs", "--all", "--all-namespaces", "--wait=false")


def test_a_second_apply_changes_nothing(server: Server, sent: Sent, tmp_path: Path) -> None:
    """`kubectl apply` of what is applied says `unchanged`, for every example and every manifest that is taken."""
    with _applied(server, sent, tmp_path) as files:
        said = server.must("apply", "-f", str(tmp_path)).splitlines()
    assert [line for line in said if not line.endswith(" unchanged")] == []
    assert len(said) == len(files)
    assert {sent.labels[name] for name in files} >= {label for label, _ in manifest_texts.legal()}
    assert len(files) > 150


def test_a_second_server_side_apply_changes_nothing(server: Server, sent: Sent, tmp_path: Path) -> None:
    """With `--server-side` neither generation nor resourceVersion rises."""

    def versions() -> dict[str, tuple[int, str]]:
        found = json.loads(server.must("get", "trainingjobs", "--all-namespaces", "-o", "json"))["items"]
        metadata = [item["metadata"] for item in found]
        return {each["name"]: (each["generation"], each["resourceVersion"]) for each in metadata}

    with _applied(server, sent, tmp_path, "--server-side") as files:
        once = versions()
        server.must("apply", "--server-side", "-f", str(tmp_path))
        assert versions() == once
    assert len(once) == len(files)
