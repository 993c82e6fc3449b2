"""Boundaries between the packages: what each may import, checked by the linter and by importing them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "safetensors", "numpy", "boto3", "rich")


def loaded_by(module: str) -> set[str]:
    """Top-level packages that importing every module of a package loads, in a fresh interpreter."""
    code = (
        f"import importlib, pkgutil, sys, {module} as package\n"
        "for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_import_contracts_hold() -> None:
    """Operator and trainer meet only in the contract, which needs nothing but pydantic."""
    # In a process of its own: the linter's logging set-up switches off every logger that exists where it runs.
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


PLANTED = {
    "operator/trainyard_operator/cluster/clock.py": "from trainyard_operator.trainingjob.decision import status",
    "operator/trainyard_operator/trainingjob/gates/before_start.py": (
        "import typing\nif typing.TYPE_CHECKING:\n    from trainyard_operator.cluster.kube import Kube"
    ),
    "operator/trainyard_operator/tick.py": "import kopf",
    "trainer_image/trainyard_trainer/chat/template.py": "import trainyard_trainer.rollouts.plans",
    "trainer_image/trainyard_trainer/policy/batches.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from trainyard_trainer.training.train import train"
    ),
    "trainer_image/trainyard_trainer/sampling/engine.py": (
        "def late() -> None:\n    from trainyard_trainer.rollouts import in_process"
    ),
    "trainer_image/trainyard_trainer/evaluation/significance.py": "import torch",
    "trainer_image/trainyard_trainer/algorithms/kl.py": "import boto3",
}
"""Imports against the direction: at the top, for type checkers alone, inside a function, and of other packages."""


def test_a_planted_import_against_the_direction_breaks_a_contract(tmp_path: Path) -> None:
    """Each of them does, in the operator and in the trainer."""
    folders = ("crds", "operator", "trainer_image", "hack")
    for folder in folders:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in PLANTED.items():
        with (tmp_path / name).open("a") as file:
            file.write(f"\n{line}\n")
    linter = Path(sys.executable).parent / "lint-imports"
    paths = os.pathsep.join(str(tmp_path / folder) for folder in (*folders[:3], "."))
    done = subprocess.run(
        [str(linter), "--no-cache"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    said = " ".join(done.stdout.split())
    broken = (
        *("no kind knows the queue", "no ledger's login, no kopf", "handlers and its entry know kopf"),
        *("each uses only those below it", "no network, no file of a run", "no network, no storage and no pod"),
    )
    for contract in broken:
        assert f"{contract} BROKEN" in said, contract
    # Of a layer that several break the linter says which.
    for name, line in PLANTED.items():
        assert re.search(rf"\b{Path(name).parent.name}\.{Path(name).stem} -> ", said), line


def test_operator_loads_neither_torch_nor_s3() -> None:
    """Importing the whole operator loads nothing that its image doesn't carry."""
    loaded = loaded_by("trainyard_operator")
    assert "trainyard_api" in loaded
    assert not loaded & {*HEAVY, "trainyard_trainer"}


def test_contract_loads_pydantic_alone() -> None:
    """Importing the whole contract loads no third-party package but pydantic and what it is made of."""
    loaded = loaded_by("trainyard_api") - set(sys.stdlib_module_names) - {"trainyard_api"}
    third_party = {name for name in loaded if not name.startswith("_")}
    assert third_party <= {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}


def test_trainer_loads_no_kopf() -> None:
    """Importing the whole trainer loads neither the operator nor its framework."""
    loaded = loaded_by("trainyard_trainer")
    assert "trainyard_api" in loaded
    assert not loaded & {"kopf", "prometheus_client", "trainyard_operator"}


def test_standard_library_is_not_shadowed() -> None:
    """From the repository's root, with it on the path, Python's own `operator` is the one that is imported."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    code = "import collections, operator; print(operator.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert str(ROOT / "operator") not in done.stdout


def pins(name: str) -> dict[str, str]:
    """Exact versions of a requirements file, by normalised name; every one must have a hash."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)(.*(?:\n    --hash=.*)*)", text, re.MULTILINE)
    assert all("--hash=sha256:" in rest for _, _, rest in found)
    return {normal(package): version for package, version, _ in found}


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", ["operator", "trainer", "dev"])
def test_pins_satisfy_the_floors(name: str) -> None:
    """The exact versions that images and tests use satisfy every dependency that pyproject.toml declares."""
    metadata, extras = project()["project"], project()["project"]["optional-dependencies"]
    wanted = {
        "operator": [*metadata["dependencies"], *extras["operator"]],
        "trainer": [*metadata["dependencies"], *extras["trainer"]],
        "dev": [
            *metadata["dependencies"],
            *extras["operator"],
            *extras["trainer"],
            *project()["dependency-groups"]["dev"],
        ],
    }
    pinned = pins(name)
    for requirement in map(Requirement, wanted[name]):
        version = pinned.get(normal(requirement.name))
        assert version is not None, f"requirements/{name}.txt lacks {requirement}"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} isn't met by {version}"


def test_operator_pins_no_torch() -> None:
    """The operator's image can't carry torch: it isn't in its list, nor is an S3 client."""
    assert not pins("operator").keys() & set(HEAVY)


def test_images_and_tests_use_the_same_versions() -> None:
    """What the tests ran with is what the images carry."""
    tested = pins("dev")
    for name in ("operator", "trainer"):
        assert {package: version for package, version in pins(name).items() if tested.get(package) != version} == {}
