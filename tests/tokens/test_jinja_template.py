"""Templates: rendered as transformers renders them, found where folders keep them, kept in their sandbox."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from caesura.tokens.jinja_template import ChatTemplate
from caesura.tokens.tokenizer import TokenizerError

_MESSAGES = [{"role": "user", "content": "hi"}]


def _render(source: str, **fields: Any) -> str:
    return ChatTemplate(source, **fields).render(_MESSAGES, has_reply=True, is_thinking=None)


def test_the_helpers_that_templates_expect_are_there() -> None:
    source = (
        "{{ bos_token }}{%- set ns = namespace(n=0) %}{%- for m in [1, 2, 3] %}"
        "{%- if m == 3 %}{%- break %}{%- endif %}{%- set ns.n = ns.n + m %}{%- endfor %}{{ ns.n }}"
        "{% generation %}{{ {'é': '<'} | tojson }}{% endgeneration %}{{ strftime_now('%Y') }}"
    )
    text = _render(source, special_tokens={"bos_token": "<s>"}, now=lambda: datetime(2031, 5, 6))
    assert text == '<s>3{"é": "<"}2031'


def test_whitespace_around_blocks_goes_as_it_does_in_transformers() -> None:
    assert _render("a\n  {% if true %}\nb\n  {% endif %}\nc") == "a\nb\nc"


def test_the_switch_for_thinking_is_told_only_when_there_is_something_to_tell() -> None:
    template = ChatTemplate("{{ enable_thinking is defined }} {{ enable_thinking }}")
    assert template.render(_MESSAGES, has_reply=True, is_thinking=None) == "False "
    assert template.render(_MESSAGES, has_reply=True, is_thinking=False) == "True False"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ 'a' + messages }}",
        "{{ messages[7].content.strip() }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ strftime_now.__globals__ }}{{ strftime_now.__globals__['os'].system('true') }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
def test_what_a_template_refuses_or_may_not_do_is_a_value_error(source: str) -> None:
    with pytest.raises(ValueError, match="chat template refuses this conversation"):
        _render(source)


def test_a_template_of_its_own_file_comes_before_the_one_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "settings"}))
    assert ChatTemplate.load(tmp_path).source == "settings"
    (tmp_path / "chat_template.jinja").write_text("file")
    assert ChatTemplate.load(tmp_path).source == "file"


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert ChatTemplate.load(tmp_path).source == "plain"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named[:1]}))
    with pytest.raises(TokenizerError, match="none called `default`"):
        ChatTemplate.load(tmp_path)


def test_special_tokens_are_read_from_both_files_and_forms(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}{{ eos_token }}")
    config = {"bos_token": {"content": "<s>"}, "eos_token": None, "add_bos_token": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": "</s>", "bos_token": "x"}))
    assert ChatTemplate.load(tmp_path).special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}


def test_a_folder_without_a_template_is_told_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no chat template.*into .*chat_template\.jinja"):
        ChatTemplate.load(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(TokenizerError, match=r"chat_template\.jinja: .*does not compile: line 1"):
        ChatTemplate.load(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "tokenizer_config.json").write_text(text)
        with pytest.raises(TokenizerError, match=r"tokenizer_config\.json is not"):
            ChatTemplate.load(tmp_path)
