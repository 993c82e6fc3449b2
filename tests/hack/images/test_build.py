"""The built images, in pods as confined as the product's: what they carry, what they don't, and that they run so."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.__main__ import up
from hack.images import build, derive, load_refs, registry
from hack.kubectl import Kubectl
from tests.waiting import until

pytestmark = pytest.mark.e2e
NAMESPACE = "image-tests"
Run = Callable[[str, str], dict[str, Any]]

DESCRIBE = """
import importlib.metadata, json, os, pathlib, sys
print(json.dumps({
    "packages": sorted(each.metadata["Name"].lower() for each in importlib.metadata.distributions()),
    "uid": os.getuid(), "gid": os.getgid(), "home": os.environ["HOME"], "tmp": os.environ["TMPDIR"],
    "settings": [str(each) for each in map(pathlib.Path, ["/etc/pip.conf", "/etc/uv/uv.toml", "/run/secrets/ca_bundle"])
                 if each.exists()],
    "environment": sorted(os.environ), "version": list(sys.version_info[:2]), "writable": os.access("/app", os.W_OK),
}))
"""


def _pod(name: str, image: str, script: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "probe",
                    "image": image,
                    "command": ["/app/bin/python", "-c", script],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                }
            ],
            "volumes": [{"name": "cache", "emptyDir": {}}],
        },
    }


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs a script in a pod of an image, by the user that the image names; returns the JSON of its last line."""
    up()
    build.build()
    kubectl = Kubectl.current()
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))

    def in_pod(image: str, script: str) -> dict[str, Any]:
        name = f"probe-{secrets.token_hex(4)}"
        kubectl.apply(json.dumps(_pod(name, image, script)))

        def ended() -> str | None:
            phase = kubectl.json("get", "pod", name, "-n", NAMESPACE)["status"].get("phase")
            return phase if phase in {"Succeeded", "Failed"} else None

        phase = until(ended, lambda: kubectl("describe", "pod", name, "-n", NAMESPACE), pause=0.3)
        log = kubectl("logs", name, "-n", NAMESPACE)
        assert phase == "Succeeded", log
        return json.loads(log.splitlines()[-1])

    yield in_pod
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_operator_image_is_slim(run: Run) -> None:
    """It carries the operator and neither torch nor an S3 client nor an installer, and runs as nobody in particular."""
    found = run(load_refs()["operator"], DESCRIBE)
    assert {"trainyard", "kopf", "kubernetes", "psycopg", "pydantic"} <= set(found["packages"])
    unwanted = {"torch", "transformers", "numpy", "boto3", "botocore", "pip", "uv", "hatchling", "setuptools"}
    assert not unwanted & set(found["packages"])
    assert (found["uid"], found["gid"]) == (65532, 65532)


def test_trainer_image_trains_and_knows_no_kopf(run: Run) -> None:
    """It carries torch with CUDA and the clients; no part of the operator."""
    found = run(load_refs()["trainer"], DESCRIBE)
    assert {"trainyard", "torch", "transformers", "boto3", "psycopg", "kubernetes"} <= set(found["packages"])
    assert any(package.startswith("nvidia-cudnn") for package in found["packages"])
    assert not {"kopf", "prometheus-client", "uv", "hatchling"} & set(found["packages"])
    assert (found["uid"], found["gid"]) == (65532, 65532)


@pytest.mark.parametrize("name", ["operator", "trainer"])
def test_nothing_of_the_building_machine_stays(name: str, run: Run) -> None:
    """No index setting, no CA bundle, no build argument; caches point to the one writable place."""
    found = run(load_refs()[name], DESCRIBE)
    assert found["settings"] == []
    assert not {"SSL_CERT_FILE", "UV_CACHE_DIR", "BASE"} & set(found["environment"])
    assert not [each for each in found["environment"] if each.startswith(("PIP_", "UV_"))]
    assert (found["home"], found["tmp"]) == ("/cache", "/cache")
    assert found["version"] >= [3, 11]
    assert found["writable"] is False


def test_torch_computes_with_a_read_only_root(run: Run) -> None:
    """A model's step forth and back needs no other place than /cache."""
    script = """
import json, tempfile, torch, transformers
from transformers import Qwen3Config, Qwen3ForCausalLM
model = Qwen3ForCausalLM(Qwen3Config(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                                     num_attention_heads=2, num_key_value_heads=1, head_dim=8))
loss = model(input_ids=torch.arange(8)[None], labels=torch.arange(8)[None]).loss
loss.backward()
model.save_pretrained(tempfile.mkdtemp())
print(json.dumps({"finite": bool(torch.isfinite(loss)), "cuda": torch.version.cuda}))
"""
    found = run(load_refs()["trainer"], script)
    assert found["finite"] is True
    assert found["cuda"]


def test_user_package_on_top_of_ours_is_found(run: Run) -> None:
    """An image that only adds a package by pip, without network, offers its entry points to the trainer."""
    reference = derive("trainer", Path(__file__).parent / "derived_image", "added-package")
    assert derive("trainer", Path(__file__).parent / "derived_image", "added-package") == reference
    script = """
import importlib.metadata, json, os
found = importlib.metadata.entry_points(group="trainyard.rewards", name="added")
print(json.dumps({"answer": next(iter(found)).load()(), "uid": os.getuid()}))
"""
    assert run(reference, script) == {"answer": 42, "uid": 65532}


def test_only_current_images_are_kept(run: Run) -> None:
    """The registry holds one tag of each image: old ones would fill the disk."""
    assert run
    for reference in load_refs().values():
        host, _, rest = reference.partition("/trainyard/")
        name, tag = rest.split(":")
        assert registry.tags(host, name) == [tag]


def test_second_build_does_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing changed, all images are seen to be current, and that is all."""
    assert run
    before = build.build()
    capsys.readouterr()
    assert build.build() == before
    assert not re.search(r" (built|bootstrapped|pushed|on the node) in ", capsys.readouterr().out)
