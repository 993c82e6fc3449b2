"""Compiles a model's passes by torch.compile, and refuses it before any work where there is no compiler.

Place in the data's way: station 4. A compiler is looked for where torch's own code generators do: for a CPU the program
named by CXX, else g++; for a GPU the one named by CC, else gcc or clang.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError


def compiled(backbone: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """Wraps a function so that its first calls compile it, for any number of rows and columns.

    Raises:
        RefusedError: INVALID_MANIFEST, this machine has no compiler.
    """
    variable, usual = ("CXX", ("g++",)) if device.type == "cpu" else ("CC", ("gcc", "clang"))
    programs = (os.environ[variable],) if os.environ.get(variable) else usual
    if not any(shutil.which(program) for program in programs):
        raise RefusedError(
            TerminationReason.INVALID_MANIFEST,
            f"must be false where the image has no compiler; there is no {' or '.join(programs)} on PATH",
            field_path="spec.algorithm.compile",
            value="true",
        )
    return torch.compile(backbone, dynamic=True)
