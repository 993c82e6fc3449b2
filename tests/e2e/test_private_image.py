"""A trainer image in a registry that demands a login is pulled with the job's own Secret, and not without."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hack.cluster import layout
from hack.cluster.runtime import ctr
from hack.images.refs import load_refs
from hack.kubectl import Kubectl, condition
from tests.e2e.locked_registry import PASSWORD, USER, LockedRegistry, locked_registry
from tests.e2e.manifests import NAMESPACE, Manifest, short_sft
from tests.e2e.waiting import apply, ended

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def locked(clean: Kubectl) -> Iterator[LockedRegistry]:
    """A door before the cluster's registry; the node's runtime runs on this machine, so loopback is the same."""
    with locked_registry(clean.cluster.registry) as registry, spoken_to_plainly(registry.host):
        for name, password in (("right-login", PASSWORD), ("wrong-login", "guessed")):
            apply(clean, login(name, registry.host, password))
        yield registry
        clean("delete", "secret/right-login", "secret/wrong-login", "-n", NAMESPACE)
        # A name that nobody will ask for again would hold the image's gigabytes.
        listed = ctr(clean.cluster.bin, "images", "list", "--quiet").split()
        ctr(clean.cluster.bin, "images", "remove", *(name for name in listed if name.startswith(registry.host)))


@contextmanager
def spoken_to_plainly(host: str) -> Iterator[None]:
    """Tells the node's runtime, which looks at each pull, that a registry speaks plain HTTP."""
    folder = layout.cluster() / "containerd" / "registries" / host
    folder.mkdir()
    (folder / "hosts.toml").write_text(
        f'server = "http://{host}"\n[host."http://{host}"]\ncapabilities = ["pull", "resolve"]\n'
    )
    try:
        yield
    finally:
        shutil.rmtree(folder)


def login(name: str, host: str, password: str) -> Manifest:
    """A Secret as `kubectl create secret docker-registry` makes it."""
    word = base64.b64encode(f"{USER}:{password}".encode()).decode()
    content = {"auths": {host: {"username": USER, "password": password, "auth": word}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {".dockerconfigjson": json.dumps(content)},
    }


def job(name: str, image: str, *secrets: str) -> Manifest:
    """A short job of that image."""
    trainer: dict[str, Any] = {"spec__trainer__image": image, "spec__trainer__startDeadlineSeconds": 60}
    return short_sft(name, **trainer, spec__trainer__imagePullSecrets=list(secrets))


def test_image_is_pulled_with_the_jobs_secret_and_not_without(clean: Kubectl, locked: LockedRegistry) -> None:
    """Without a login, and with a wrong one, the pod waits for its image and the job says which; with the right one it
    trains.
    """
    image = locked.reference(load_refs()["trainer"])
    refused = {"no-login": job("no-login", image), "bad-login": job("bad-login", image, "wrong-login")}
    # Those that are refused first: what the node has pulled once it may give to others.
    apply(clean, *refused.values())
    for name in refused:
        stalled = condition(ended(clean, name), "Stalled")
        assert (stalled["reason"], image in stalled["message"]) == ("ImageUnavailable", True), stalled
    assert locked.turned_away, stalled
    assert not locked.let_through
    apply(clean, job("good-login", image, "right-login"))
    found = ended(clean, "good-login")
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    assert any("/manifests/" in path for path in locked.let_through)
