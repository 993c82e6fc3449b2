"""What a user's code raises is told in words, and its objects are looked at, whatever they do then."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from trainyard_trainer.user_code import (
    MAX_SAID,
    explain,
    explain_method,
    file_of,
    import_file,
    place_of,
    shown,
    type_name,
    unfit_signature,
    words_of,
)


class OwnError(BaseException):
    """No Exception at all."""


class Mean:
    """An object that raises whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise OwnError(name)

    def __repr__(self) -> str:
        raise OwnError

    @property
    def __class__(self) -> Any:
        raise OwnError


class Echoing:
    """An object that has every attribute: itself."""

    def __getattr__(self, name: str) -> Any:
        return self


class MeanType(type):
    """A metaclass that hides what its classes are called, and where they are from."""

    @property
    def __name__(cls) -> Any:
        raise OwnError

    @property
    def __module__(cls) -> Any:
        raise OwnError


class MeanError(Exception, metaclass=MeanType):
    """An error that can't be looked at."""

    @property
    def __class__(self) -> Any:
        raise OwnError

    @property
    def __traceback__(self) -> Any:
        raise OwnError

    def __str__(self) -> str:
        raise OwnError

    __repr__ = __str__


class Text(str):
    """A text that gives nothing away."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        raise OwnError

    __str__ = __format__ = encode = isascii = __getitem__  # type: ignore[assignment]


class SayingError(Exception):
    """An error whose text is what it is given."""

    def __str__(self) -> Any:
        return self.args[0]


class Group(ExceptionGroup[Exception]):
    """A group that says it is empty."""

    @property
    def exceptions(self) -> Any:
        raise OwnError


def raised(error: BaseException) -> BaseException:
    """The error, raised here."""
    try:
        raise error  # noqa: TRY301
    except BaseException as found:  # noqa: BLE001 (it is looked at)
        return found


LINE = raised.__code__.co_firstlineno + 3


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit("over"), "GeneratorExit: over"),
        (SystemExit(3), "SystemExit: 3"),
        (OwnError("mine"), "OwnError: mine"),
        (SayingError(OwnError), "SayingError: (its text raised TypeError)"),
        (SayingError(7), "SayingError: (its text raised TypeError)"),
        (SayingError(None), "SayingError: (its text raised TypeError)"),
        (SayingError(Text("mine")), "SayingError: mine"),
        (SayingError("x" * 10**7), "SayingError: " + "x" * MAX_SAID),
        (
            SayingError("half \ud83d, none \0, whole \ud83d\ude00"),
            "SayingError: half \ufffd, none \ufffd, whole \U0001f600",
        ),
        (ValueError(10**5000), "ValueError: (its text raised ValueError)"),
        (type("N" * 10**6, (Exception,), {})("mine"), "N" * MAX_SAID + ": mine"),
    ],
    ids=range(12),
)
def test_any_error_has_words_and_a_place(error: BaseException, words: str) -> None:
    """Type, text in bounds that every ledger can hold, file and line; nothing that it does when it is looked at."""
    assert explain(raised(error), __file__) == f"{words} at {__file__}:{LINE}"
    assert words_of(error) == words


def test_a_group_tells_its_first_error() -> None:
    """However deep it lies, and whatever the group says of itself."""
    inner = raised(KeyError("inner"))
    for group in (ExceptionGroup("two", [ExceptionGroup("one", [inner, ValueError()])]), Group("two", [inner])):  # type: ignore[list-item]
        told = explain(raised(group), __file__)
        assert f"at {__file__}:{LINE}; the first: KeyError: 'inner' at {__file__}:{LINE}" in told
    deep: BaseException = inner
    for _ in range(1000):
        deep = BaseExceptionGroup("deep", [deep])
    assert len(explain(raised(deep), __file__)) < 3000


def test_the_line_is_the_innermost_of_the_users_own_file(tmp_path: Path) -> None:
    """Not one of a library that it called, nor of a decorator, nor ours; without any, the place that is given."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import functools, json\n\ndef bad(text):\n    return json.loads(text)\n\n"
        "part = functools.partial(bad, text='{')\ncached = functools.lru_cache(bad)\nclass Called:\n"
        "    def __call__(self, text):\n        return bad(text)\ncalled = Called()\n"
    )
    module = import_file(path)
    for name, line in (("bad", 3), ("part", 3), ("cached", 3), ("called", 9)):
        function = getattr(module, name)
        assert place_of(function) == f"{path}:{line}"
        assert file_of(function) == str(path)
        with pytest.raises(json.JSONDecodeError) as caught:
            function() if name == "part" else function("{")
        assert explain(caught.value, file_of(function)).endswith(f" at {path}:4")
    assert explain(KeyError(1)) == "KeyError: 1"
    assert explain(KeyError(1), None, str(path)) == f"KeyError: 1 at {path}"
    assert explain_method(KeyError(1), module.called, "__call__") == f"KeyError: 1 at {path}:9"


def test_any_object_may_be_asked_for_its_place() -> None:
    """Odd objects have none, or some; asking never raises."""
    mean = MeanError()
    for thing in (None, len, functools.partial(len), Mean(), Echoing(), MeanError, mean, sys, object):
        for found in (place_of(thing), file_of(thing), unfit_signature(thing, 1)):
            assert found is None or type(found) is str
        assert type(shown(thing)) is type(type_name(thing)) is str
    assert explain(raised(mean), __file__) == f"MeanError: (its text raised OwnError) at {__file__}:{LINE}"
    assert words_of(mean) == "MeanError: (its text raised OwnError)"


def test_an_error_of_many_lines_is_told_in_one() -> None:
    """The last line of a log says why a run ended; a terminal obeys nothing in it."""
    error = ValueError("first\n  second\r\x1b[31mred")
    assert explain(error) == "ValueError: first second [31mred"
    assert words_of(error) == explain(error)
