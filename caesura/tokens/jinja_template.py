"""The Jinja chat template of a model folder, rendered in a sandbox as transformers renders it.

A template is a program from a stranger: the sandbox gives it no attribute that reaches Python, and no way to
change what it is handed. Enters: a folder, and messages. Leaves: text, or a ValueError in words that a caller
can act on. Read next: `template_messages.py`, which hides what users wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from caesura.tokens.tokenizer import TokenizerError

_FILE = "chat_template.jinja"
_CONFIG = "tokenizer_config.json"
_SPECIAL_MAP = "special_tokens_map.json"

# What a template can do wrong with values that it did not expect.
_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)

Message = Mapping[str, Any]


class _Generation(Extension):
    """`{% generation %}` marks what the model writes, for training; here it is just its content."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own way)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled template and the special tokens that it writes."""

    def __init__(
        self,
        source: str,
        special_tokens: Mapping[str, str] | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """special_tokens: `bos_token` and the like, by name. now: the clock of `strftime_now`.

        Raises ValueError for a template that does not compile.
        """
        self.source = source
        self._special_tokens = dict(special_tokens or {})
        try:
            self._template = _environment(now).from_string(source)
        except TemplateSyntaxError as error:
            raise ValueError(f"line {error.lineno}: {error.message}") from error

    @classmethod
    def load(cls, folder: Path) -> ChatTemplate:
        """The folder's template: `chat_template.jinja`, or `chat_template` in tokenizer_config.json, and of
        several the one that is called "default". Raises TokenizerError naming the file and what to add.
        """
        config = _read_object(folder / _CONFIG)
        try:
            source, origin = _find_source(folder, config)
        except (LookupError, TypeError, UnicodeDecodeError) as error:
            raise TokenizerError(f"{folder}: the chat template cannot be read: {error!r}") from error
        try:
            return cls(source, _special_tokens(config, _read_object(folder / _SPECIAL_MAP)))
        except ValueError as error:
            raise TokenizerError(f"{origin}: the chat template does not compile: {error}") from error

    @property
    def special_tokens(self) -> Mapping[str, str]:
        """`bos_token` and the like, by name."""
        return self._special_tokens

    def render(
        self,
        messages: Sequence[Message],
        *,
        has_reply: bool,
        is_thinking: bool | None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """The text of a conversation.

        has_reply: whether the beginning of the assistant's reply is written too.
        is_thinking: what the template is told about thinking; None: nothing.
        tools: what may be called, in the form that templates take.
        Raises ValueError where the template refuses the conversation or fails on it.
        """
        # Templates of different makers call the same switch by these two names.
        switch = {} if is_thinking is None else {"enable_thinking": is_thinking, "thinking": is_thinking}
        values: dict[str, Any] = {**self._special_tokens, **switch, "tools": tools or None, "documents": None}
        try:
            return self._template.render(messages=messages, add_generation_prompt=has_reply, **values)
        except _FAULTS as error:
            raise ValueError(f"the model's chat template refuses this conversation: {error}") from error


def _environment(now: Callable[[], datetime]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    helpers: dict[str, Any] = {"raise_exception": _raise, "strftime_now": lambda form: now().strftime(form)}
    environment.globals.update(helpers)
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes for HTML, which no model was trained on."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _find_source(folder: Path, config: dict[str, Any]) -> tuple[str, Path]:
    path = folder / _FILE
    if path.is_file():
        return path.read_text(encoding="utf-8"), path
    template = config.get("chat_template")
    if isinstance(template, list):
        named = cast(list[dict[str, str]], template)
        template = {each["name"]: each["template"] for each in named}.get("default")
    if not isinstance(template, str):
        raise TokenizerError(
            f"{folder} has no chat template: no {_FILE}, and no `chat_template` (or none called `default`) "
            f"in {_CONFIG}; put the template that the model was trained with into {path}"
        )
    return template, folder / _CONFIG


def _special_tokens(*sources: dict[str, Any]) -> dict[str, str]:
    """Names and texts; a token is written as a text or as an object with its `content`."""
    found: dict[str, str] = {}
    for source in sources:
        for name, token in source.items():
            text = cast(dict[str, Any], token).get("content") if isinstance(token, dict) else token
            if name.endswith("_token") and isinstance(text, str):
                found.setdefault(name, text)
    return found


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TokenizerError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise TokenizerError(f"{path} is not a JSON object")
    return cast(dict[str, Any], fields)
