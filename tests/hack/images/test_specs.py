"""A tag names what an image is made of: the claims that decide what is built, and what isn't."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hack.images import specs

PROJECT_IMAGES = [specs.OPERATOR, specs.TRAINER]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with every input of both images, each file with content of its own."""
    for entry in {entry for image in PROJECT_IMAGES for entry in (*image.slow, *image.quick)}:
        path = tmp_path / entry
        if (specs.ROOT / entry).is_dir():
            path.mkdir(parents=True)
            path = path / "module.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {entry}")
    return tmp_path


def halves(image: specs.Image, tree: Path, base: str = "base") -> tuple[str, str]:
    """The tag's two halves: slow layers, whole."""
    slow, whole = specs.tag(image, base, tree).split("-")
    return slow, whole


def test_equal_inputs_give_equal_tags(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A clone elsewhere, with other file times, gets the same tags."""
    clone = tmp_path_factory.mktemp("clone") / "tree"
    shutil.copytree(tree, clone, copy_function=shutil.copyfile)
    for image in PROJECT_IMAGES:
        assert specs.tag(image, "base", tree) == specs.tag(image, "base", clone)


def test_code_edit_keeps_the_slow_layers_and_the_other_image(tree: Path) -> None:
    """An edit of the operator's code changes only the second half of the operator's tag."""
    before = {image.name: halves(image, tree) for image in PROJECT_IMAGES}
    (tree / "operator/trainyard_operator/module.py").write_text("edited")
    after = {image.name: halves(image, tree) for image in PROJECT_IMAGES}
    assert after["trainer"] == before["trainer"]
    assert after["operator"][0] == before["operator"][0]
    assert after["operator"][1] != before["operator"][1]
    assert specs.same_slow_layers("-".join(after["operator"]), "-".join(before["operator"]))


def test_contract_edit_reaches_both_images(tree: Path) -> None:
    """Operator and trainer meet in the contract: an edit of it changes both."""
    before = [halves(image, tree) for image in PROJECT_IMAGES]
    (tree / "crds/trainyard_api/module.py").write_text("edited")
    after = [halves(image, tree) for image in PROJECT_IMAGES]
    assert [old[0] for old in before] == [new[0] for new in after]
    assert all(old[1] != new[1] for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("image", PROJECT_IMAGES, ids=lambda image: image.name)
def test_new_requirements_or_base_make_new_slow_layers(image: specs.Image, tree: Path) -> None:
    """What lies under the code is in the first half, and so in the second."""
    before = halves(image, tree)
    other_base = halves(image, tree, base="another")
    (tree / f"requirements/{image.name}.txt").write_text("edited")
    edited = halves(image, tree)
    for after in (other_base, edited):
        assert after[0] != before[0]
        assert after[1] != before[1]


def test_bytecode_of_this_machine_is_no_input(tree: Path) -> None:
    """Running the tests writes __pycache__ and must not make new images."""
    before = halves(specs.TRAINER, tree)
    cache = tree / "trainer_image/trainyard_trainer/__pycache__"
    cache.mkdir()
    (cache / "module.cpython-311.pyc").write_bytes(b"\0")
    assert halves(specs.TRAINER, tree) == before


def test_moved_content_is_noticed(tree: Path) -> None:
    """The same bytes under another name are another image."""
    before = halves(specs.TRAINER, tree)
    module = tree / "trainer_image/trainyard_trainer/module.py"
    module.rename(module.with_name("renamed.py"))
    assert halves(specs.TRAINER, tree)[1] != before[1]


def test_missing_input_is_named(tree: Path) -> None:
    """An input that isn't there is an error with its path, not an image without it."""
    (tree / "LICENSE").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"^LICENSE: an input of an image must exist; got nothing at .*LICENSE$"
    ):
        specs.tag(specs.OPERATOR, "base", tree)


def test_another_binary_is_another_s3_image() -> None:
    """The S3 image is named by the folder of its binary, which is named by its content."""
    assert specs.tag(specs.s3(Path("/bin/aaaa")), "base") != specs.tag(specs.s3(Path("/bin/bbbb")), "base")


@pytest.mark.parametrize("image", PROJECT_IMAGES, ids=lambda image: image.name)
def test_build_sees_what_the_tag_names_and_nothing_else(image: specs.Image, tree: Path, tmp_path: Path) -> None:
    """The build context holds the inputs alone, all with one time: neither secrets nor an untracked file slips in."""
    (tree / "password.txt").write_text("secret")
    context = specs.stage(image, tmp_path / "staged", tree)
    staged = sorted(path for path in context.rglob("*") if path.is_file())
    named = {entry if (tree / entry).is_file() else f"{entry}/module.py" for entry in (*image.slow, *image.quick)}
    assert {str(path.relative_to(context)) for path in staged} == named
    assert len({path.stat().st_mtime for path in staged}) == 1
