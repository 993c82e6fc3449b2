"""The report says of each package what was measured."""

from __future__ import annotations

from hack.house.report import structure

T = "trainyard_trainer"


def test_the_report_names_circles_sizes_and_bare_modules(plant) -> None:
    """Lists the rooms of a circle, the longest file and function, and the module without a test module."""
    long = f"from {T}.b import two\n" + "x = 1\n" * 160 + "def f():\n    return 1\n"
    files = {"a/one.py": long, "b/two.py": f"from {T}.a import one\n", "b/three.py": "y = 1\n"}
    assert list(structure(plant(files))) == [
        f"\n{T}: 6 modules",
        "  circles of folders: 1",
        "    2: a, b",
        "  lines of files: 3 of them, median 1, 90th percentile 163",
        f"     163 trainer_image/{T}/a/one.py",
        f"       1 trainer_image/{T}/b/three.py",
        f"       1 trainer_image/{T}/b/two.py",
        "  lines of functions: 1 of them, median 2, 90th percentile 2",
        f"       2 trainer_image/{T}/a/one.py:f",
        "  files over 150 lines: 1",
        "  test modules of the same name and folder: 0 of 1 (0%)",
        "    of the same name in another folder: 0",
        f"    none: trainer_image/{T}/a/one.py",
    ]
