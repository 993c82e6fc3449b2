"""Keeps the demo's transcript with the machine and versions it ran on, and puts the last one into README.md."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from hack.cluster import layout
from hack.demo.phases import Story

README = Path(__file__).parent.parent.parent / "README.md"
BEGIN, END = "<!-- transcript: written by `make demo` and `make readme` -->", "<!-- end of transcript -->"


def kept() -> Path:
    """Returns where a demo that succeeded leaves its transcript."""
    return layout.cache() / "demo-transcript.md"


def keep_transcript(story: Story) -> None:
    """Writes down what the demo said, and on what machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Kubernetes {layout.KUBERNETES}, Python {platform.python_version()}, torch {version('torch')}, "
        f"transformers {version('transformers')}"
    )
    kept().write_text("```\n" + "\n".join(story.transcript) + f"\n```\n\nOn {machine}.\n")


def write_readme() -> None:
    """Replaces what stands between the markers by the last demo's transcript.

    Raises:
        SystemExit: no demo has succeeded here.
    """
    if not kept().exists():
        raise SystemExit("no demo has succeeded on this machine yet; run `make demo`")
    block = f"{BEGIN}\n{kept().read_text()}{END}"
    text = README.read_text()
    README.write_text(re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, text, flags=re.DOTALL))
