"""Which images there are and what each is made of: the inputs whose content is its tag.

Pure but for reading the inputs. A tag has two halves: the content of the slow layers (base, dependencies) and of the
whole, so that a tag alone says whether an edit needs gigabytes or kilobytes. Builds nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "trainyard"
_HALF = 10
# Any moment does that a zip archive can hold, for the project travels in a wheel.
_TIME = 946684800


@dataclass(frozen=True)
class Image:
    """One image: its Dockerfile, its build context and the inputs, by path relative to the repository's root."""

    name: str
    dockerfile: str
    slow: tuple[str, ...]
    """Inputs of the base and dependency layers."""
    quick: tuple[str, ...] = ()
    """Inputs of the layers above."""
    on_base: bool = True
    """Whether it starts from the Python base image."""
    context: Path = ROOT
    salt: str = ""
    """Stands for the content of a context outside the repository."""


PROJECT = ("pyproject.toml", "README.md", "LICENSE", ".dockerignore", "crds/trainyard_api")

OPERATOR = Image(
    "operator",
    "operator/Dockerfile",
    slow=("operator/Dockerfile", "requirements/operator.txt", "hack/images/tools.txt"),
    quick=(*PROJECT, "operator/trainyard_operator"),
)
TRAINER = Image(
    "trainer",
    "trainer_image/Dockerfile",
    slow=("trainer_image/Dockerfile", "requirements/trainer.txt", "hack/images/tools.txt"),
    quick=(*PROJECT, "trainer_image/trainyard_trainer"),
)
POSTGRES = Image(
    "postgres",
    "hack/images/postgres/Dockerfile",
    slow=("hack/images/postgres/Dockerfile",),
    quick=("hack/images/postgres/start.sh",),
    context=ROOT / "hack/images/postgres",
)


def s3(binaries: Path) -> Image:
    """Describes the S3 server's image: the binary in a folder that is named by its content, and nothing else."""
    dockerfile = "hack/images/s3/Dockerfile"
    return Image("s3", dockerfile, slow=(dockerfile,), on_base=False, context=binaries, salt=binaries.name)


def tag(image: Image, base: str, root: Path = ROOT) -> str:
    """Names the tag that the image's inputs give: `<slow layers>-<whole>`, hexadecimal.

    Args:
        image: what to name.
        base: names the content of the base image.
        root: the folder to which the inputs are relative.

    Raises:
        FileNotFoundError: an input is missing.
    """
    slow = hashlib.sha256(f"{base if image.on_base else ''}\0{image.salt}\0".encode())
    for entry in image.slow:
        _add(slow, root, entry)
    whole = slow.copy()
    for entry in image.quick:
        _add(whole, root, entry)
    return f"{slow.hexdigest()[:_HALF]}-{whole.hexdigest()[:_HALF]}"


def stage(image: Image, folder: Path, root: Path = ROOT) -> Path:
    """Copies the inputs of an image out of the repository, and nothing else; returns the build context.

    What a build sees is thus what its tag names. All times are the same, so that a layer's bytes are, too. A context
    outside the repository is used as it is.
    """
    if image.context != ROOT:
        return image.context
    for entry in (*image.slow, *image.quick):
        for file in _files(root / entry):
            copy = folder / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (_TIME, _TIME))
    return folder


def same_slow_layers(one: str, other: str) -> bool:
    """Says whether two tags of one image differ at most in its last, small layers."""
    return one.split("-", maxsplit=1)[0] == other.split("-", maxsplit=1)[0]


def content(folder: Path) -> str:
    """Hashes every file of a folder, in hexadecimal."""
    digest = hashlib.sha256()
    _add(digest, folder, ".")
    return digest.hexdigest()


def _add(digest: hashlib._Hash, root: Path, entry: str) -> None:
    path = root / entry
    if not path.exists():
        raise FileNotFoundError(f"{entry}: an input of an image must exist; got nothing at {path}")
    for file in _files(path):
        data = file.read_bytes()
        executable = bool(file.stat().st_mode & 0o100)
        digest.update(f"{file.relative_to(root)}\0{executable}\0{len(data)}\0".encode() + data)


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return [file for file in files if "__pycache__" not in file.parts]
