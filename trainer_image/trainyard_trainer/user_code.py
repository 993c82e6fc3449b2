"""The user's own Python: a module from a file, and where in it an error came from.

Place in the data's way: stations 4 to 6. Whoever calls the user's code decides what an error means; here it only gets
words. Nothing that a user's object does when it is looked at gets out of here. Imports nothing heavy, for the reward
worker starts with it.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from trainyard_trainer.errors import TrainerError
from trainyard_trainer.readable import one_line, readable

MAX_SAID = 500
"""Most characters that are kept of what a user's code says of itself."""
_MAX_WRAPPERS: Final = 32
"""Decorators around a function, and groups around an exception, that are looked through."""
_NOT_THE_USERS: Final = (f"{Path(__file__).parent}/", "<frozen importlib")
_ABSENT: Final = object()
# As Python keeps them: a class of the user may have put something else before each.
_NAME = vars(type)["__name__"]
_TRACEBACK = vars(BaseException)["__traceback__"]
_INNER = vars(BaseExceptionGroup)["exceptions"]
_MEMBERS = vars(type)["__dict__"]
_GLOBALS = vars(ModuleType)["__dict__"]


class ModuleError(TrainerError):
    """The user's module can't be imported; the text says why, with file and line."""


class AttributeUnreadableError(TrainerError):
    """Reading an attribute of a user's object raised; the text says what, with file and line."""


def import_file(path: Path) -> ModuleType:
    """Imports the Python file as a module, whatever its name ends in.

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
    except BaseException as error:
        sys.modules.pop(name, None)
        why = _no_python(error, path) or f"can't be imported; {explain(error, str(path))}"
        raise ModuleError(why) from error
    return module


def public_names(module: ModuleType) -> list[str]:
    """Lists the functions and classes that the module defines itself, to show after an unknown name."""
    found = {name: value for name, value in _GLOBALS.__get__(module).items() if type(name) is str}
    own = found.get("__name__")
    defined = (name for name, value in found.items() if type(own) is str and _of(value) == own)
    return sorted(readable(name) for name in defined if not name.startswith("_"))


def read_attribute(thing: Any, name: str, default: Any = None) -> Any:
    """Reads an attribute of a user's module, class or object; returns the default where there is none.

    Raises:
        AttributeUnreadableError: there is one, and a property or a `__getattr__` of the user's raised something.
    """
    try:
        return getattr(thing, name)
    except BaseException as error:
        if issubclass(type(error), AttributeError) and not _has(thing, name):
            return default
        owner = thing if issubclass(type(thing), type | ModuleType) else type(thing)
        raise AttributeUnreadableError(f"{name} can't be read; {explain(error, file_of(owner))}") from error


def unfit_signature(function: Any, arguments: int) -> str | None:
    """Returns the signature of a function that can't be called with so many arguments.

    None for one that can, and for one whose signature Python doesn't know.
    """
    try:
        signature = inspect.signature(function)
        try:
            signature.bind(*[None] * arguments)
        except TypeError:
            return readable(str.__str__(str(signature)))[:MAX_SAID]
    except BaseException:  # noqa: BLE001 (a user's signature or default may raise anything; calling it will tell)
        return None
    return None


def explain(error: BaseException, *own_files: str | None, place: str | None = None) -> str:
    """Describes an error by type, text and the innermost line of the user's own files.

    Of a group, the first of the errors in it is told too. Never raises, whatever the error does when it is looked at.

    Args:
        error: what was raised.
        own_files: the file of the function or class that was called, and others of the user, where they are known.
        place: where that is defined, said where no traceback leads to the user.
    """
    place = place or next((file for file in own_files if file), None)
    told = _told(error, own_files, place)
    inner = _first_of_group(error)
    return one_line(told if inner is None else f"{told}; the first: {_told(inner, own_files, None)}")


def explain_method(error: BaseException, thing: Any, name: str) -> str:
    """Does what `explain` does, for a method of a user's object. Never raises."""
    kind = type(thing)
    return explain(error, file_of(kind), place=place_of(_get(kind, name)))


def words_of(error: BaseException, most: int = MAX_SAID) -> str:
    """Returns type and text of an error, at most so many characters of it. Never raises."""
    return one_line(_words(error, most))


def type_name(thing: Any) -> str:
    """Returns the name of an object's type, whatever its class says of itself."""
    return readable(str.__str__(_NAME.__get__(type(thing)))[:MAX_SAID])


def shown(thing: Any) -> str:
    """Returns an object as Python writes it, or its type where it can't be written. Never raises."""
    try:
        return readable(str.__str__(repr(thing)))[:MAX_SAID]
    except BaseException:  # noqa: BLE001 (a user's own repr may raise anything, which is no reason to fail)
        return f"a value of type {type_name(thing)}"


def place_of(thing: Any) -> str | None:
    """Returns `file:line` where a function or class is defined; None where Python doesn't say."""
    code = _code_of(thing)
    return readable(f"{code.co_filename}:{code.co_firstlineno}") if code else None


def file_of(thing: Any) -> str | None:
    """Returns the file where a function, or an object's class, is defined; None where Python doesn't say."""
    code = None if issubclass(type(thing), type) else _code_of(thing)
    if code is not None:
        return str(code.co_filename)
    module = sys.modules.get(_of(thing) or "")
    file = _get(module, "__file__")
    return file if type(file) is str else None


def _no_python(error: BaseException, path: Path) -> str | None:
    """Says what is wrong with a file that the compiler refused; None for any other error."""
    if not issubclass(type(error), SyntaxError) or _line_in(error, [str(path)]):
        return None  # one that came through a line of the file was raised by it, or by what it imports
    said, file, line = (_get(error, field) for field in ("msg", "filename", "lineno"))
    if type(said) is not str:
        return None
    place = f"{file if type(file) is str else path}" + (f":{line}" if type(line) is int else "")
    return readable(f"isn't Python; {said[:MAX_SAID]} at {place}")


def _told(error: BaseException, own_files: Sequence[str | None], place: str | None) -> str:
    where = _line_in(error, own_files) or place
    return _words(error, MAX_SAID) + (f" at {where}" if where else "")


def _words(error: BaseException, most: int) -> str:
    try:
        text = str.__str__(str(error))[:most]
    except BaseException as other:  # noqa: BLE001 (an error's own text may raise anything; its type and place are left)
        text = f"(its text raised {type_name(other)})"
    return f"{type_name(error)}: {text}" if text.strip() else type_name(error)


def _line_in(error: BaseException, own_files: Sequence[str | None]) -> str | None:
    """Finds the innermost line of the user's files; without one, of any file that is neither ours nor the import's."""
    passed: list[tuple[str, int | None]] = []
    at = _TRACEBACK.__get__(error)
    while at is not None:
        passed.append((at.tb_frame.f_code.co_filename, at.tb_lineno))
        at = at.tb_next
    passed.reverse()
    own = [one for one in passed if one[0] in own_files]
    foreign = [one for one in passed if not one[0].startswith(_NOT_THE_USERS)]
    for file, line in (own or foreign)[:1]:
        return file if line is None else f"{file}:{line}"
    return None


def _first_of_group(error: BaseException) -> BaseException | None:
    """Returns the first error in a group that is no group itself."""
    inner = None
    for _ in range(_MAX_WRAPPERS):
        if not issubclass(type(error), BaseExceptionGroup):
            break
        error = inner = _INNER.__get__(error)[0]
    return inner


def _code_of(thing: Any) -> CodeType | None:
    """Returns the code of the function that others are wrapped around, of a callable object or of a class."""
    found = None
    for _ in range(_MAX_WRAPPERS):
        found = _own_code(thing) or found
        partial = issubclass(type(thing), functools.partial)
        thing = _get(thing, "func" if partial else "__wrapped__")
        if thing is None:
            break
    return found


def _own_code(thing: Any) -> CodeType | None:
    if issubclass(type(thing), type):
        members = _MEMBERS.__get__(thing)
        functions = [members.get(name) for name in ("__init__", "__new__", "__call__")]
    else:
        functions = [thing, _get(thing, "__call__")]
    codes = (_get(function, "__code__") for function in functions)
    return next((code for code in codes if type(code) is CodeType), None)


def _of(thing: Any) -> str | None:
    """Returns the name of the module that a thing says it is defined in."""
    name = _get(thing, "__module__")
    return name if type(name) is str else None


def _get(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except BaseException:  # noqa: BLE001 (a user's `__getattr__` may raise anything; then there is nothing to say)
        return None


def _has(thing: Any, name: str) -> bool:
    """Says whether there is an attribute, without reading its value."""
    try:
        return inspect.getattr_static(thing, name, _ABSENT) is not _ABSENT
    except BaseException:  # noqa: BLE001 (as above)
        return False
