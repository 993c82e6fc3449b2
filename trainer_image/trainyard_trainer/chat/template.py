"""A model's chat template: what it writes, where a policy turn ends in it, and whether it stays as it was.

Place in the data's way: station 5, below `chat_renderer`. A template is a program of the model's maker: what it does is
found out at load by having it write small conversations, of which each must be the beginning of its continuation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from trainyard_api.task import SpecialTokens
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.reasoning import is_open, marks_of
from trainyard_trainer.chat.text_encoder import TextEncoder, UnwritableError, covered, unmarked
from trainyard_trainer.chat.vocabulary import Vocabulary
from trainyard_trainer.environment import Message, ToolCall
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.readable import one_line

_USER = Message("user", "a")
"""What a made-up conversation begins with, where only what comes after it is wanted."""
_SENTINEL = "qzxqzx"
_MADE_UP = "a"
"""The reasoning of a made-up turn."""
_DATES = (
    "{% macro strftime_now(format) %}{% set written = namespace(text=format) %}"
    "{% for directive, value in trainyard_dates.items() %}"
    "{% set written.text = written.text.replace(directive, value) %}{% endfor %}{{ written.text }}{% endmacro +%}"
)
"""Before a template that asks for the date, which has a function of this name: here it gets the run's."""
_DIRECTIVES = (
    *("%-d", "%-m", "%-I", "%-H", "%-j", "%-y", "%F", "%T", "%D", "%R", "%e", "%a", "%A", "%w", "%d", "%b", "%B", "%m"),
    *("%y", "%Y", "%G", "%u", "%V", "%H", "%I", "%p", "%M", "%S", "%f", "%z", "%Z", "%j", "%U", "%W", "%c", "%x", "%X"),
    "%%",
)
"""What strftime knows."""


class TemplateFailedError(UnwritableError):
    """The template raises, or leaves out what it was given; the error's text says which.

    Attributes:
        role: the role of the messages at fault, where it doesn't write any of that role; else None.
    """

    def __init__(self, why: str, *, role: str | None = None) -> None:
        self.role = role
        super().__init__(why)


class TemplateChangesError(UnwritableError):
    """The template writes an earlier turn otherwise when a conversation goes on."""


class ChatTemplate:
    """Writes conversations as ids; see `chat_renderer.ChatRenderer`.

    Args:
        vocabulary: the model's tokenizer and ids.
        tools: JSON schemas that the template shows the model.
        special_tokens: what special tokens in data are read as.
        day: what a template that writes the date takes it from, so that a run that goes on the next day is the same.

    Attributes:
        source: the template's text.
        encoder: turns what it writes into ids.
        stop_ids: the id that ends an assistant's turn, then all others that end a text of this model.
        opened: a conversation up to where a policy turn begins, as an example of how the template opens one.
        marks: the texts around a reasoning.
        reasoning_begun: whether a policy turn begins within a reasoning.
        several_calls: whether a turn may have more than one tool call.

    Raises:
        RefusedError: MODEL_UNSUITABLE.
    """

    def __init__(
        self, vocabulary: Vocabulary, tools: Sequence[Mapping[str, Any]], special_tokens: SpecialTokens, day: date
    ) -> None:
        self._tokenizer: Any = vocabulary.tokenizer
        self._names = [str(tool["function"]["name"]) for tool in tools]
        self._bases: dict[tuple[str | None, ...], str] = {}
        self._reasoning = False
        try:
            self.source = str(self._tokenizer.get_chat_template(tools=list(tools) or None))
            self.encoder = TextEncoder(vocabulary, special_tokens, self.source)
            self._tools = self.encoder.guard([dict(tool) for tool in tools]) or None
            self._dates = _dates(self.source, day)
            self._template = (_DATES + self.source) if self._dates else self.source
            self._require_tools()
            self.stop_ids = self._stop_ids(vocabulary)
            self._stop_texts = [str(text) for text in self._tokenizer.convert_ids_to_tokens(list(self.stop_ids))]
            self.opened = self._opened()
            self.marks = marks_of(self.source)
            self.reasoning_begun = is_open(self.opened, self.marks)
        except RefusedError:
            raise
        except Exception as error:
            # A template may raise what it likes.
            raise _unsuitable(f"must have a chat template that writes a plain conversation; {_said(error)}") from error
        self._system_problem = self._find_system_problem()
        self._settle_reasoning()
        self.several_calls = bool(self._tools) and self._can_several_calls()

    def ids(self, messages: Sequence[Message], *, open_turn: bool) -> tuple[int, ...]:
        """Encodes a conversation as the template writes it; `open_turn` adds the start of an assistant's turn.

        Raises:
            TemplateFailedError: the template doesn't write it.
            UnwritableError: a text in it has no ids.
        """
        if self._system_problem is not None and any(message.role == "system" for message in messages):
            raise TemplateFailedError(self._system_problem, role="system")
        return self.encoder.ids(self._write(messages, open_turn=open_turn))

    def policy_turn(self, message: Message) -> tuple[int, ...]:
        """Returns the ids that a policy would sample to say this, the end of its turn included.

        Raises:
            TemplateChangesError: the template doesn't write it behind what opens a turn.
            UnwritableError: see `ids`.
        """
        return self.encoder.ids(self._demonstrated(message))

    def _demonstrated(self, message: Message) -> str:
        """Writes a turn that shows what to say, without a reasoning or with an empty one, as the template wants it."""
        try:
            return self._closed((_USER, message), reasoning="")[1]
        except TemplateChangesError:
            if not self._reasoning:
                raise
            return self._closed((_USER, message), reasoning=_SENTINEL)[1].replace(_SENTINEL, "", 1)

    def between(self, messages: Sequence[Message]) -> tuple[int, tuple[int, ...]]:
        """Returns the id that ends a policy turn, and what follows it up to the start of the next policy turn.

        Args:
            messages: what is said between; results of tools, in the order of their calls, or a user's words.

        Raises:
            TemplateChangesError: the template would write the policy turn otherwise.
            UnwritableError: see `ids`.
        """
        names = tuple(message.name for message in messages if message.role == "tool")
        if names not in self._bases:
            self._bases[names] = "".join(self._closed((_USER, self._made_up(names))))
        base = self._bases[names]
        whole = self._write((_USER, self._made_up(names), *messages), open_turn=True)
        if not whole.startswith(base):
            raise TemplateChangesError("the chat template writes an assistant's turn otherwise when others follow it")
        return self.encoder.ids(base)[-1], self.encoder.ids(whole[len(base) :])

    def _made_up(self, names: Sequence[str | None]) -> Message:
        """Makes an assistant's turn that calls these tools, or says something."""
        known = self._names[0] if self._names else "a"
        calls = tuple(ToolCall(name or known, {}) for name in names)
        return Message("assistant", "" if calls else "a", tool_calls=calls)

    def _closed(self, messages: Sequence[Message], reasoning: str | None = None) -> tuple[str, str]:
        """Splits a conversation into what comes before its last turn, an assistant's, and that turn up to its end."""
        opening = self.opened if tuple(messages[:-1]) == (_USER,) else self._write(messages[:-1], open_turn=True)
        whole = self._write(messages, open_turn=False, reasoning=reasoning)
        if not whole.startswith(opening):
            raise TemplateChangesError("the chat template doesn't write an assistant's turn as it opens one")
        own = covered(whole)
        ends = [own.find(text, len(opening)) + len(text) for text in self._stop_texts if text in own[len(opening) :]]
        if not ends:
            raise TemplateChangesError(
                "the chat template doesn't end an assistant's turn with a token that ends a text"
            )
        return opening, whole[len(opening) : min(ends)]

    def _settle_reasoning(self) -> None:
        """Refuses a template that changes earlier turns, with and without reasoning in them.

        Without tools nothing is refused, for a task of one turn needs no more than an opening; a reply that the
        template can't write then fails by itself.
        """
        problems = []
        for self._reasoning in (False, True):
            self._bases.clear()
            try:
                self._require_stable(self._conversation())
            except Exception as error:  # noqa: BLE001 (a template may raise what it likes; either way it won't do)
                problems.append(_said(error))
            else:
                return
        if not self._names:
            self._reasoning = False
            return
        raise _unsuitable(
            "must have a chat template under which a conversation, once written, stays the same when it goes on, for "
            f"what the policy sampled is never written again; {problems[0]}"
        )

    def _conversation(self) -> list[Message]:
        """Returns the smallest conversation that a task with these tools, or without any, needs."""
        if not self._names:
            return [_USER, Message("assistant", "b")]
        messages = [_USER]
        for number, result in enumerate(("b", "error: c")):
            name = self._names[number % len(self._names)]
            messages += [
                Message("assistant", "", tool_calls=(ToolCall(name, {"d": number}),)),
                Message("tool", result, name=name),
            ]
        return [*messages, Message("assistant", "e")]

    def _can_several_calls(self) -> bool:
        names = (self._names[0], self._names[-1])
        results = [Message("tool", f"{_SENTINEL}{number}", name=name) for number, name in enumerate(names)]
        calls = Message("assistant", "", tool_calls=tuple(ToolCall(name, {}) for name in names))
        conversation = [_USER, calls, *results, Message("assistant", "b")]
        try:
            text = self._write(conversation, open_turn=False)
        except Exception:  # noqa: BLE001 (templates refuse what their model can't do by raising)
            return False
        try:
            self._require_stable(conversation)
        except TemplateChangesError as error:
            raise _unsuitable(f"must have a chat template that takes several results at once; {error}") from error
        places = [text.find(message.content) for message in results]
        if -1 in places or places != sorted(places):
            raise _unsuitable("must have a chat template that writes tool results in the order of their calls")
        return True

    def _require_stable(self, messages: Sequence[Message]) -> None:
        """Checks that each assistant's turn, and each reply alone, begins what the template writes of a longer
        conversation.
        """
        turns = [place for place, message in enumerate(messages) if message.role == "assistant"]
        for place, following in zip(turns, [*turns[1:], None], strict=True):
            written = "".join(self._closed(messages[: place + 1]))
            if following is None:
                return
            longer = self.ids(messages[:following], open_turn=True)
            if longer != self.encoder.ids(written) + self.between(messages[place + 1 : following])[1]:
                raise TemplateChangesError("the chat template writes a turn otherwise when the conversation goes on")

    def _require_tools(self) -> None:
        shown = unmarked(self._write((_USER,), open_turn=True))
        missing = [name for name in self._names if name not in shown]
        if missing:
            raise _unsuitable(f"must have a chat template that shows the model its tools; it doesn't show {missing[0]}")

    def _stop_ids(self, vocabulary: Vocabulary) -> tuple[int, ...]:
        """Returns the id that ends a turn in the template, then the ids at which this model ends any text."""
        after = self._write((_USER, Message("assistant", _SENTINEL)), open_turn=False).rpartition(_SENTINEL)[2]
        special = {*self._tokenizer.all_special_ids, *self._tokenizer.added_tokens_decoder}
        end = next((number for number in self.encoder.ids(after) if number in special), None)
        if end is None:
            raise _unsuitable("must have a chat template that ends an assistant's turn with a special token")
        own = self._tokenizer.eos_token_id
        found = tuple(dict.fromkeys([end, *([] if own is None else [own]), *vocabulary.stop_ids]))
        outside = [number for number in found if not 0 <= number < self.encoder.embeddings]
        if outside:
            raise _unsuitable(
                f"must know the tokens that end a turn; its vocabulary has {self.encoder.embeddings}, not {outside[0]}"
            )
        return found

    def _opened(self) -> str:
        closed, opened = self._write((_USER,), open_turn=False), self._write((_USER,), open_turn=True)
        if opened == closed:
            raise _unsuitable("must have a chat template that opens an assistant's turn where it is asked to")
        return opened

    def _find_system_problem(self) -> str | None:
        """Says why the template writes no system message; None where it does."""
        try:
            written = self._write((Message("system", _SENTINEL), _USER), open_turn=True)
        except UnwritableError as error:
            return f"the model's chat template takes no system message; {error}"
        return None if _SENTINEL in written else "the model's chat template leaves system messages out"

    def _write(self, messages: Sequence[Message], *, open_turn: bool, reasoning: str | None = None) -> str:
        """Writes a conversation; assistants' turns get this reasoning, or else what the template needs."""
        try:
            conversation = list(self._wire(messages, reasoning))
        except Exception as error:  # of what a user's code put into them
            raise UnwritableError(f"a message can't be written; {_said(error)}") from error
        try:
            written = self._tokenizer.apply_chat_template(
                conversation, tools=self._tools, add_generation_prompt=open_turn, tokenize=False,
                chat_template=self._template, trainyard_dates=self._dates,
            )  # fmt: skip
        except Exception as error:  # it is a program of the model's maker
            raise TemplateFailedError(f"{_said(error)}, raised by the chat template") from error
        return str(written)

    def _wire(self, messages: Sequence[Message], reasoning: str | None) -> Iterator[dict[str, Any]]:
        """Gives messages as templates take them; results get the ids of their calls, in order."""
        reasoning = _MADE_UP if reasoning is None and self._reasoning else reasoning
        made, answered = 0, 0
        for message in messages:
            guard = partial(self.encoder.guard, by_policy=message.role == "assistant")
            wire: dict[str, Any] = {"role": message.role, "content": guard(message.content)}
            if message.role == "assistant" and reasoning:
                wire["reasoning_content"] = reasoning
            if message.tool_calls:
                calls = []
                for call in message.tool_calls:
                    function = {"name": guard(call.name), "arguments": guard(dict(call.arguments))}
                    calls.append({"id": _call_id(made), "type": "function", "function": function})
                    made += 1
                wire["tool_calls"] = calls
            if message.role == "tool":
                wire["tool_call_id"] = _call_id(answered)
                if message.name:
                    wire["name"] = guard(message.name)
                answered += 1
            yield wire


def _dates(template: str, day: date) -> dict[str, str]:
    """Maps strftime directives to their values at the start of a day in UTC; empty where the template asks for no
    date.
    """
    if "strftime_now" not in template:
        return {}
    begin = datetime.combine(day, time(), UTC)
    return {directive: begin.strftime(directive) for directive in _DIRECTIVES}


def _call_id(number: int) -> str:
    """Makes an id of nine letters and digits, for some templates take nothing else."""
    return f"call{number:05d}"


def _said(error: Exception) -> str:
    text = one_line(str(error)[:200])
    return text if isinstance(error, UnwritableError) else f"{type(error).__name__}: {text}"


def _unsuitable(rule: str) -> RefusedError:
    return RefusedError(TerminationReason.MODEL_UNSUITABLE, rule, field_path="spec.model")
