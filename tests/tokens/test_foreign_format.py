"""Foreign formats: the template's own text and transformers' ids, thoughts opened, found and trimmed."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.content import (
    CacheControl,
    Conversation,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Turn,
    conversation,
    text_of,
    text_turn,
    thinking_of,
)
from caesura.messages.fold import MessageFold
from caesura.tokens import CLOSING_TEXT, CaesuraFormat, Opening, TokenizerError
from caesura.tokens.folder_format import load_format
from caesura.tokens.foreign_format import ForeignFormat
from caesura.tokens.foreign_tokenizer import Piece
from caesura.tokens.jinja_template import ChatTemplate
from tests.tokens.conversations import chat_format, plain_text
from tests.tokens.foreign_folders import FAMILIES, LLAMA2, QWEN3, foreign_tokenizer, write_tokenizer
from tests.tokens.test_foreign_tokenizer import hostile_text

THINKERS = ("qwen3", "always_thinks")
OPENINGS: tuple[Opening, ...] = ("think", "answer", "choose")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    for name in FAMILIES:
        write_tokenizer(name, folder / name)
        # Read now, or the first example would wait for it.
        _transformers(folder / name)
    return folder


@cache
def foreign(name: str, template: str | None = None) -> ForeignFormat:
    family = FAMILIES[name]
    special = {"bos_token": family.bos or "", "eos_token": family.eos}
    return ForeignFormat(foreign_tokenizer(name), ChatTemplate(template or family.template, special))


def _names(format_: ForeignFormat, ids: tuple[int, ...]) -> str:
    """The ids as text in which markers show by name."""
    names = {token: name for name, token in format_.tokenizer.markers.items()}
    return "".join(names.get(token) or format_.tokenizer.decode([token]) for token in ids)


def _told(texts: list[str], system: str) -> Conversation:
    turns = [("user" if number % 2 == 0 else "assistant", text) for number, text in enumerate(texts)]
    return conversation(*turns, system=system)  # pyright: ignore[reportArgumentType]


def _messages(told: Conversation) -> list[dict[str, str]]:
    system = [{"role": "system", "content": text_of(told.system)}] if told.system else []
    return system + [{"role": turn.role, "content": text_of(turn.content)} for turn in told.turns]


# Without line breaks at its ends even where a template strips no more than those.
ordinary = plain_text.filter(lambda text: text.strip() == text and "<" not in text and "[" not in text)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=25)
@given(texts=st.lists(ordinary, min_size=1, max_size=5), has_system=st.booleans())
def test_ordinary_conversations_get_the_ids_that_transformers_gives_them(
    folders: Path, name: str, texts: list[str], has_system: bool
) -> None:
    # The first Llama's template has no place for a system prompt.
    system = "Be kind." if has_system and name != "llama2" else ""
    told = _told(texts if len(texts) % 2 else [*texts, "and?"], system)
    theirs = _transformers(folders / name)
    openings: dict[str, Opening] = {"qwen3": "choose", "always_thinks": "think"}
    ids = theirs.apply_chat_template(_messages(told), add_generation_prompt=True, return_dict=False)
    assert list(foreign(name).render(told, opening=openings.get(name, "answer")).ids) == ids


@cache
def _transformers(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


@settings(max_examples=25)
@given(question=ordinary, thought=ordinary, answer=ordinary, more=ordinary)
def test_thoughts_get_the_ids_that_transformers_gives_them(
    folders: Path, question: str, thought: str, answer: str, more: str
) -> None:
    reply = Turn(role="assistant", content=(ThinkingBlock(thinking=thought), TextBlock(text=answer)))
    for turns in (
        (text_turn("user", question), reply),
        (text_turn("user", question), reply, text_turn("user", more)),
    ):
        messages: list[dict[str, str]] = _messages(Conversation(turns=turns))
        messages[1]["reasoning_content"] = thought
        ids = _transformers(folders / "qwen3").apply_chat_template(messages, return_dict=False)
        assert list(foreign("qwen3").render(Conversation(turns=turns), opening=None).ids) == ids


@pytest.mark.parametrize("name", ["qwen3", "qwen2", "llama3"])
@given(text=st.text(" \n\t a", min_size=1, max_size=6).filter(str.strip))
def test_whitespace_at_the_ends_goes_where_the_template_leaves_it(
    folders: Path, name: str, text: str
) -> None:
    told = conversation(("user", text), ("assistant", text), ("user", text), system=text)
    ids = _transformers(folders / name).apply_chat_template(_messages(told), return_dict=False)
    assert list(foreign(name).render(told, opening=None).ids) == ids


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=40)
@given(texts=st.lists(hostile_text.filter(str.strip), min_size=4, max_size=4))
def test_no_text_of_anyone_becomes_a_marker(name: str, texts: list[str]) -> None:
    format_ = foreign(name)
    markers = set(format_.tokenizer.markers.values())

    def structure(*texts: str) -> list[int]:
        ids = format_.render(_told(list(texts[1:]), texts[0]), opening="answer").ids
        return [token for token in ids if token in markers]

    assert structure(*texts) == structure("a", "b", "c", "d")


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_found_in_each_family(folders: Path, name: str) -> None:
    format_ = ForeignFormat.load(folders / name)
    ids = format_.tokenizer.markers
    expected: dict[str, tuple[bool, bool, str | None, list[str]]] = {
        "qwen3": (True, False, "hermes", ["<|im_end|>", "<|endoftext|>"]),
        "qwen2": (False, True, None, ["<|im_end|>", "<|endoftext|>"]),
        "always_thinks": (True, False, None, ["<|im_end|>"]),
        "llama3": (False, True, None, ["<|end_of_text|>", "<|eot_id|>"]),
        "llama31": (False, True, "llama3", ["<|end_of_text|>", "<|eot_id|>"]),
        "mistral": (False, False, None, ["</s>"]),
        "mistral_v3": (False, False, "mistral", ["</s>"]),
        "mistral_nemo": (False, False, "mistral", ["</s>"]),
        "mistral_marked": (False, True, "mistral_marked", ["</s>"]),
        "mistral_numbered": (False, True, "mistral_numbered", ["</s>"]),
        # Its template writes a space before the end of a turn, which no model does.
        "llama2": (False, False, None, ["</s>"]),
    }
    can_think, is_append_only, form, ends = expected[name]
    assert (format_.can_think, format_.is_append_only) == (can_think, is_append_only)
    assert (format_.call_form and format_.call_form.name) == form
    tokens = format_.phase_tokens
    assert tokens.end == tuple(ids[each] for each in ends)
    thinking = {tokens.think, tokens.end_think} if can_think else set[int]()
    assert set(tokens.never) == format_.tokenizer.special - set(tokens.end) - thinking
    assert {tokens.think, tokens.end_think}.isdisjoint(tokens.end)


def test_each_opening_of_a_template_with_a_switch() -> None:
    told = conversation(("user", "hi"))
    texts = [_names(foreign("qwen3"), foreign("qwen3").render(told, opening=each).ids) for each in OPENINGS]
    head = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert texts == [f"{head}<think>\n", f"{head}<think>\n\n</think>\n\n", head]


def test_each_opening_of_a_template_that_always_thinks() -> None:
    told = conversation(("user", "hi"))
    format_ = foreign("always_thinks")
    texts = [_names(format_, format_.render(told, opening=each).ids) for each in OPENINGS]
    head = "<|im_start|>user\nhi<|im_end|><|im_start|>assistant\n"
    assert texts == [f"{head}<think>\n", f"{head}<think>\n\n</think>\n\n", head]


def test_a_template_that_closes_a_thought_without_opening_it_is_left_as_it_is() -> None:
    source = FAMILIES["always_thinks"].template.replace(
        "assistant\n<think>\n'", "assistant\n' + ('<think>' if enable_thinking else '</think>')"
    )
    format_ = foreign("always_thinks", source)
    texts = [
        _names(format_, format_.render(conversation(("user", "hi")), opening=each).ids) for each in OPENINGS
    ]
    assert [text.rpartition("assistant\n")[2] for text in texts] == ["<think>", "</think>", ""]


def test_a_thought_inside_the_content_is_found() -> None:
    source = QWEN3.replace("message.reasoning_content is string", "false")
    format_ = foreign("qwen3", source)
    reply = Turn(role="assistant", content=(ThinkingBlock(thinking="a </think> b"), TextBlock(text="four")))
    ids = format_.render(Conversation(turns=(text_turn("user", "2+2"), reply)), opening=None).ids
    assert _names(format_, ids).endswith("<think>\na </think> b\n</think>\n\nfour<|im_end|>\n")
    assert ids.count(format_.phase_tokens.end_think) == 1


@pytest.mark.parametrize("name", ["qwen2", "llama3", "mistral", "llama2"])
@pytest.mark.parametrize("opening", ["think", "choose"])
def test_thinking_that_is_not_offered_is_refused(name: str, opening: Opening) -> None:
    with pytest.raises(ValueError, match=r"cannot think: .*; disable thinking"):
        foreign(name).render(conversation(("user", "hi")), opening=opening)


def test_thinking_markers_without_a_template_that_knows_them_are_no_thinking() -> None:
    assert not foreign("qwen3", FAMILIES["qwen2"].template).can_think


@pytest.mark.parametrize("name", THINKERS)
@settings(max_examples=40)
@given(thought=plain_text | st.just(""), text=plain_text, opening=st.sampled_from(OPENINGS))
def test_the_whitespace_of_the_format_is_taken_off(
    name: str, thought: str, text: str, opening: Opening
) -> None:
    format_ = foreign(name)
    tokens = format_.phase_tokens
    thought, text = (unicodedata.normalize("NFC", each) for each in (thought, text))
    opener = [tokens.think] if opening == "choose" else []
    # Where the prompt opened the thought, it has written what comes before it.
    inside = words(name, f"{'' if opening == 'think' else chr(10)}{thought}\n")
    thinks = opening != "answer"
    ids = [*opener, *inside, tokens.end_think, *words(name, f"\n\n{text}")] if thinks else words(name, text)
    parser, reply = format_.parser(opening), MessageFold()
    events = [event for token in ids for event in parser.feed(token)] + parser.finish()
    for event in events:
        reply.add(event)
    assert text_of(reply.content) == text
    assert thinking_of(reply.content) == (thought if thinks else "")
    assert sum(getattr(event, "num_tokens", 0) for event in events) == (len(inside) if thinks else 0)


def words(name: str, text: str) -> list[int]:
    return foreign_tokenizer(name).encode([Piece(text, is_template=False)]).ids


def test_a_thought_that_is_cut_short_keeps_its_last_line_break() -> None:
    parser = foreign("qwen3").parser("think")
    events = [event for token in words("qwen3", "so\n") for event in parser.feed(token)] + parser.finish()
    assert "".join(getattr(event, "thinking", "") for event in events) == "so\n"


def test_the_closing_text_ends_as_the_template_ends_a_thought() -> None:
    format_ = foreign("qwen3")
    assert format_.tokenizer.decode(format_.phase_tokens.closing) == f"{CLOSING_TEXT}\n"


def test_a_thought_that_was_generated_renders_to_the_ids_that_were_generated() -> None:
    format_ = foreign("qwen3")
    tokens, asked = format_.phase_tokens, text_turn("user", "2+2?")
    prompt = format_.render(Conversation(turns=(asked,)), opening="think").ids
    sampled = (
        *words("qwen3", "Okay, so"),
        *tokens.closing,
        tokens.end_think,
        *words("qwen3", "\n\nIt is 4."),
    )
    parser, reply = format_.parser("think"), MessageFold()
    for event in [event for token in sampled for event in parser.feed(token)] + parser.finish():
        reply.add(event)
    told = Conversation(turns=(asked, Turn(role="assistant", content=reply.content)))
    whole = format_.render(told, opening=None).ids
    assert _names(format_, whole) == _names(format_, (*prompt, *sampled, tokens.end[0])) + "\n"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_prefilled_turn_is_left_open(name: str) -> None:
    format_ = foreign(name)
    told = conversation(("user", "hi"), ("assistant", "The answer"), system="Be kind.")
    ids = format_.render(told, opening="answer").ids
    assert _names(format_, ids).endswith("The answer")
    assert "Be kind." in format_.tokenizer.decode(ids)
    with pytest.raises(ValueError, match=r"without thinking|cannot think"):
        format_.render(told, opening="think")
    with pytest.raises(ValueError, match="needs some text"):
        format_.render(conversation(("user", "hi"), ("assistant", " ")), opening="answer")


@pytest.mark.parametrize("name", ["mistral", "llama2"])
def test_a_system_prompt_that_the_template_has_no_place_for_joins_the_users(name: str) -> None:
    format_ = foreign(name)
    later = Turn(role="system", content=(TextBlock(text="Be brief."),))
    turns = (text_turn("user", "hi"), later, text_turn("assistant", "hello"), text_turn("user", "so?"))
    told = Conversation(turns=turns, system=(TextBlock(text="Be kind."),))
    text = _names(format_, format_.render(told, opening="answer").ids)
    assert "hi\n\nBe brief." in text
    assert ("Be kind.\n\nso?" if name == "mistral" else "Be kind.\n\nhi") in text


def test_what_a_template_refuses_or_does_not_show_is_an_error() -> None:
    format_ = foreign("llama2")
    with pytest.raises(ValueError, match="roles must alternate"):
        format_.render(conversation(("assistant", "hi"), ("user", "so?")), opening="answer")
    forgetful = LLAMA2.replace(
        "{% if message['role'] == 'user' %}", "{% if loop.index0 == 2 %}{% elif true %}"
    )
    told = conversation(("user", "a"), ("assistant", "b"), ("user", "c"))
    forgetting = foreign("llama2", forgetful)
    with pytest.raises(ValueError, match="does not show the text of turn 2"):
        forgetting.render(told, opening="answer")
    redacted = Turn(role="assistant", content=(RedactedThinkingBlock(data="x"),))
    with pytest.raises(ValueError, match="unsealed"):
        format_.render(Conversation(turns=(text_turn("user", "hi"), redacted)), opening=None)
    thinking = Turn(role="user", content=(ThinkingBlock(thinking="x"),))
    with pytest.raises(ValueError, match="belongs to the assistant"):
        format_.render(Conversation(turns=(thinking,)), opening=None)


def test_blocks_of_one_turn_are_lines_of_it_and_of_a_reply_one_text() -> None:
    blocks = (TextBlock(text="one"), TextBlock(text="two"))
    turns = (Turn(role="user", content=blocks), Turn(role="assistant", content=blocks))
    text = _names(foreign("qwen2"), foreign("qwen2").render(Conversation(turns=turns), opening=None).ids)
    assert "user\none\ntwo<|im_end|>" in text
    assert "assistant\nonetwo<|im_end|>" in text


# In one, the end of the system prompt is a token together with the line breaks behind it.
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "mistral_nemo"])
def test_breakpoints_lie_behind_the_blocks_that_ask_for_them(name: str) -> None:
    format_ = foreign(name)
    first = TextBlock(text="Be kind.", cache_control=CacheControl(ttl="1h"))
    second = TextBlock(text="What is left?", cache_control=CacheControl())
    told = Conversation(turns=(Turn(role="user", content=(second, TextBlock(text="so?"))),), system=(first,))
    prompt = format_.render(told, opening="answer")
    assert [each.control.ttl for each in prompt.breakpoints] == ["1h", "5m"]
    for mark, text in zip(prompt.breakpoints, ("Be kind.", "What is left?"), strict=True):
        assert format_.tokenizer.decode(prompt.ids[: mark.position]).endswith(text)


def test_a_folder_with_our_markers_has_our_format(tmp_path: Path) -> None:
    chat_format().tokenizer.save(tmp_path, max_positions=64)
    assert isinstance(load_format(tmp_path).chat_format, CaesuraFormat)


def test_any_other_folder_has_its_own(folders: Path) -> None:
    found = load_format(folders / "qwen3")
    assert isinstance(found.chat_format, ForeignFormat)
    assert found.chat_format.tokenizer is found.tokenizer


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("generation_config.json", {"eos_token_id": [7, 9999]}, r"\[7, 9999.*eos_token_id.*has 394"),
        (
            "generation_config.json",
            {"eos_token_id": "</s>"},
            r"generation_config\.json: eos_token_id '</s>' is",
        ),
        (
            "generation_config.json",
            {"eos_token_id": [[7, 8]]},
            r"generation_config\.json: .* \[\[7, 8\]\] is neither",
        ),
        (
            "generation_config.json",
            {"eos_token_id": [7, "8"]},
            r"eos_token_id \[7, '8'\] is neither an id nor",
        ),
        ("generation_config.json", {"eos_token_id": {"id": 7}}, r"eos_token_id \{'id': 7\} is neither"),
        ("generation_config.json", {"eos_token_id": [7, None]}, r"eos_token_id \[7, None\] is neither"),
        ("generation_config.json", {"eos_token_id": True}, r"eos_token_id True is neither"),
        ("generation_config.json", {"eos_token_id": 7.0}, r"eos_token_id 7\.0 is neither"),
        ("tokenizer_config.json", {"chat_template": "hello"}, "does not show the text of turn 0"),
        ("tokenizer_config.json", {}, "no chat template"),
    ],
)
def test_a_folder_that_cannot_hold_a_conversation_is_named(
    tmp_path: Path, name: str, fields: dict[str, Any], words: str
) -> None:
    write_tokenizer("qwen3", tmp_path)
    (tmp_path / name).write_text(json.dumps(fields))
    with pytest.raises(TokenizerError, match=words):
        load_format(tmp_path)


def test_the_end_of_a_turn_is_looked_for_in_both_files(tmp_path: Path) -> None:
    write_tokenizer("qwen3", tmp_path)
    (tmp_path / "generation_config.json").write_text("{}")
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 5}))
    format_ = load_format(tmp_path).chat_format
    assert format_.phase_tokens.end == (5, foreign_tokenizer("qwen3").markers["<|im_end|>"])
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(TokenizerError, match=r"config\.json is not valid JSON"):
        load_format(tmp_path)
