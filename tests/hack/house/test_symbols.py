"""Names are followed to where they are defined."""

from __future__ import annotations

from hack.house.symbols import read

T = "trainyard_trainer"


def test_definitions_are_functions_classes_members_and_constants(plant) -> None:
    """Takes what stands in a module, and not what stands inside of functions."""
    text = "X = 1\nY: int = 2\nclass C:\n    f: int\n    def m(self):\n        z = 1\ndef g():\n    def h(): pass\n"
    names = read(plant({"a.py": text}).modules)
    assert set(names.defined) == {f"{T}.a:{name}" for name in ("X", "Y", "C", "C.f", "C.m", "g")}


def test_a_name_is_followed_through_modules_that_pass_it_on(plant) -> None:
    """Finds the definition behind two imports, a module behind one, and nothing of other packages."""
    files = {
        "room/deep.py": "def made(): pass\n",
        "room/shown.py": "from .deep import made as shown\n",
        "user.py": f"import json\nfrom {T}.room import deep\nfrom {T}.room.shown import shown\n",
    }
    names = read(plant(files).modules)
    assert names.find(f"{T}.user", "shown") == f"{T}.room.deep:made"
    assert names.find(f"{T}.user", "deep") == f"{T}.room.deep"
    assert names.find(f"{T}.user", "json") is None
    assert names.file(f"{T}.room.deep:made") == f"trainer_image/{T}/room/deep.py"


def test_modules_that_import_a_name_from_each_other_end_nowhere(plant) -> None:
    """Gives up where a name has no definition at all."""
    files = {"a.py": f"from {T}.b import x\n", "b.py": f"from {T}.a import x\n"}
    assert read(plant(files).modules).find(f"{T}.a", "x") is None
