"""The Dockerfiles keep their promises: pinned, non-root, no registry's host, code last, every input named."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from hack.images import specs

IMAGES = [specs.OPERATOR, specs.TRAINER, specs.POSTGRES, specs.s3(specs.ROOT)]
PROJECT_IMAGES = [specs.OPERATOR, specs.TRAINER]


def instructions(image: specs.Image) -> list[tuple[str, str]]:
    """Each instruction's name and arguments, continuation lines joined."""
    text = (specs.ROOT / image.dockerfile).read_text()
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_image_runs_as_a_numeric_user(image: specs.Image) -> None:
    """Kubernetes can check runAsNonRoot only against a number."""
    users = [arguments for name, arguments in instructions(image) if name == "USER"]
    assert users == ["65532:65532"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_base_is_pinned_and_no_host_is_named(image: specs.Image) -> None:
    """Without build arguments a patch version of Python is meant; no address of any server stands in the file."""
    bases = [arguments for name, arguments in instructions(image) if name == "ARG" and arguments.startswith("BASE=")]
    assert all(re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert len(bases) == image.on_base
    assert "://" not in (specs.ROOT / image.dockerfile).read_text()


@pytest.mark.parametrize("image", PROJECT_IMAGES, ids=lambda image: image.name)
def test_code_comes_last(image: specs.Image) -> None:
    """The final stage adds one layer, the project, to the dependency stage: an edit changes only that."""
    parts = instructions(image)
    last = [index for index, (name, _) in enumerate(parts) if name == "FROM"][-1]
    assert parts[last:] == [("FROM", f"dependencies AS {image.name}"), ("COPY", "--from=project /app /app")]
    stage = parts[: [name for name, _ in parts].index("FROM", 2)]
    assert not any("trainyard_" in arguments for name, arguments in stage if name in {"COPY", "RUN"})


@pytest.mark.parametrize("image", PROJECT_IMAGES, ids=lambda image: image.name)
def test_every_copied_file_is_an_input_and_passes_dockerignore(image: specs.Image) -> None:
    """What an image copies is in its tag, and Docker's own build gets it, too."""
    copied = {
        source
        for name, arguments in instructions(image)
        if name == "COPY" and not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    }
    assert copied
    assert copied <= {*image.slow, *image.quick}
    allowed = [line[1:] for line in (specs.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all(any(fnmatch(source, pattern) for pattern in allowed) for source in copied)


@pytest.mark.parametrize("image", PROJECT_IMAGES, ids=lambda image: image.name)
def test_whatever_is_installed_is_pinned_by_hash(image: specs.Image) -> None:
    """Every installer call checks hashes, but the one that installs the wheel made a moment before."""
    steps = [arguments for name, arguments in instructions(image) if name == "RUN"]
    calls = [call for step in steps for call in step.split("&&") if re.search(r"\bpip\s+install\b", call)]
    assert calls
    assert all("--require-hashes" in call or ("--no-deps" in call and "/wheels/" in call) for call in calls)
