"""The user's own Python: a module from a file, and where in it an error came from.

Place in the data's way: stations 4 to 6. Whoever calls the user's code decides what an error means; here it only gets
words. Imports nothing heavy, for the reward worker starts with it.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

MAX_SAID = 500
"""Most characters that are kept of what a user's code says of itself."""


class ModuleError(Exception):
    """The user's module can't be imported; the text says why, with file and line."""


def import_file(path: Path) -> ModuleType:
    """The Python file as a module, whatever its name ends in.

    Raises:
        ModuleError: there is no such file, it isn't Python, or it raises.
    """
    if not path.is_file():
        raise ModuleError(f"there is no file {path}")
    name = f"trainyard_user_{path.stem}"
    spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(path)))
    if spec is None or spec.loader is None:
        raise ModuleError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        raise ModuleError(f"isn't Python; {error.msg} at {error.filename or path}:{error.lineno}") from error
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ModuleError(f"can't be imported; {explain(error, str(path))}") from error
    return module


def public_names(module: ModuleType) -> list[str]:
    """Functions and classes that the module defines itself, for a message to somebody who named another one."""
    own = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    return sorted(name for name in own if not name.startswith("_"))


def explain(error: BaseException, own_file: str | None = None) -> str:
    """Type, text and place of an error: the innermost line of the user's own file that it came through.

    Args:
        error: what was raised.
        own_file: the file of the function or class that was called; None where it isn't known.
    """
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if frame.filename == own_file), frames[-1] if frames else None)
    place = f"{frame.filename}:{frame.lineno}" if frame else own_file
    return f"{type(error).__name__}: {str(error)[:MAX_SAID]}" + (f" at {place}" if place else "")


def place_of(thing: Any) -> str | None:
    """`file:line` where a function or a class is defined; None for what Python doesn't say it of."""
    code = getattr(thing, "__code__", None) or getattr(getattr(thing, "__call__", None), "__code__", None)  # noqa: B004
    return f"{code.co_filename}:{code.co_firstlineno}" if code else None


def file_of(thing: Any) -> str | None:
    """The file where a function, or the class of an object, is defined; None for what Python doesn't say it of."""
    code = getattr(thing, "__code__", None)
    if code is not None:
        return str(code.co_filename)
    module = sys.modules.get(getattr(thing, "__module__", "") or "")
    return getattr(module, "__file__", None)
