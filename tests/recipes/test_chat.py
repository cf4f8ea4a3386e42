"""The chat rows: their shape, their modes, what they never say."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from caesura.evals.safety.split import is_for_training
from caesura.messages.content import ThinkingBlock, text_of
from caesura.recipes.chat import KINDS, MAX_REPLY_CHARS, chat_rows
from caesura.recipes.countries import read_countries
from caesura.recipes.instructions import instructions
from caesura.recipes.knowledge import known_words
from caesura.recipes.phrases import CAPABILITY, GREETINGS, IDENTITY, JOKES, SMALL_TALK, Intent
from caesura.recipes.refusals import look_alikes, refusals
from caesura.recipes.small_talk import chatter, identity, persona
from caesura.recipes.wording import Kind, casual
from caesura.tokens.markers import MARKERS
from caesura.train.data import Row
from caesura.train.sets import SETS
from tests.recipes.conftest import unlike


@pytest.fixture
def rows(data_folder: Path) -> list[Row]:
    return list(chat_rows(data_folder, 1, 1_500))


def drawn(kind: Kind, number: int = 300) -> list[tuple[str, str]]:
    """The last question and the last reply of many draws."""
    rng = random.Random(0)
    return [
        ([text for role, text in exchange.turns if role == "user"][-1], exchange.turns[-1][1])
        for exchange in (kind(rng) for _ in range(number))
    ]


def test_the_same_seed_gives_the_same_rows_whatever_their_number(data_folder: Path) -> None:
    assert list(chat_rows(data_folder, 3, 50)) == list(chat_rows(data_folder, 3, 80))[:50]


def test_another_seed_gives_other_rows(data_folder: Path) -> None:
    assert list(chat_rows(data_folder, 3, 50)) != list(chat_rows(data_folder, 4, 50))


def test_roles_alternate_and_the_assistant_has_the_last_word(rows: list[Row]) -> None:
    for row in rows:
        spoken = [turn.role for turn in row.conversation.turns if turn.role != "system"]
        assert spoken == ["user", "assistant"] * (len(spoken) // 2)
        assert row.conversation.is_prefilled


def test_a_system_turn_stands_between_a_question_and_its_reply(rows: list[Row]) -> None:
    roles = [[turn.role for turn in row.conversation.turns] for row in rows]
    placed = [
        (turns[i - 1], turns[i + 1]) for turns in roles for i, role in enumerate(turns) if role == "system"
    ]
    assert placed
    assert set(placed) == {("user", "assistant")}


def test_the_modes_have_their_shares(rows: list[Row]) -> None:
    shares = Counter(row.mode for row in rows)
    assert 0.65 < shares["adaptive"] / len(rows) < 0.75
    assert 0.12 < shares["fast"] / len(rows) < 0.18
    assert 0.12 < shares["think"] / len(rows) < 0.18


def test_only_a_row_in_think_mode_opens_with_a_short_thought(rows: list[Row]) -> None:
    for row in rows:
        *earlier, last = row.conversation.turns
        first_block = last.content[0]
        assert isinstance(first_block, ThinkingBlock) == (row.mode == "think")
        assert not any(isinstance(block, ThinkingBlock) for turn in earlier for block in turn.content)
        if isinstance(first_block, ThinkingBlock):
            assert 0 < len(first_block.thinking) < 150


def test_replies_are_short_and_never_empty(rows: list[Row]) -> None:
    lengths = [len(text_of(row.conversation.turns[-1].content)) for row in rows]
    assert min(lengths) > 0
    assert max(lengths) <= MAX_REPLY_CHARS


def test_no_row_contains_anything_like_a_marker(rows: list[Row]) -> None:
    for row in rows:
        texts = [text_of(turn.content) for turn in row.conversation.turns] + [
            text_of(row.conversation.system)
        ]
        assert not any(marker in text for text in texts for marker in MARKERS)


def test_some_questions_come_in_two_blocks_that_join_to_one_text(rows: list[Row]) -> None:
    doubled = [
        turn
        for row in rows
        for turn in row.conversation.turns
        if turn.role == "user" and len(turn.content) == 2
    ]
    assert 0.01 < len(doubled) / len(rows) < 0.06
    assert all(text_of(turn.content).strip() for turn in doubled)


def test_every_row_names_its_source_and_licence(rows: list[Row]) -> None:
    assert {row.source for row in rows} <= {*SETS, "written for this project"}
    assert all(row.licence for row in rows)


def test_every_kind_can_be_drawn(data_folder: Path) -> None:
    for weighted in KINDS.values():
        assert drawn(weighted.load(data_folder), 20)


def test_nano_says_who_it_is_and_who_it_is_not() -> None:
    replies = dict(drawn(identity(Path()), 3_000))
    assert "nano" in replies["Who are you?"]
    assert replies["Are you Claude?"].startswith("No")
    assert "Caesura" in replies["Who made you?"]


def test_nano_never_claims_to_be_a_person_or_another_bot(data_folder: Path) -> None:
    said = {
        reply for kind in (chatter(data_folder), identity(data_folder)) for _, reply in drawn(kind, 1_000)
    }
    assert "Yes." not in said
    assert not any("kill" in reply for reply in said)


@pytest.mark.parametrize("table", [GREETINGS, IDENTITY, CAPABILITY, SMALL_TALK])
def test_every_intent_has_questions_answers_and_thoughts(table: tuple[Intent, ...]) -> None:
    for intent in table:
        wordings = (*intent.questions, *intent.answers, *intent.thoughts)
        assert intent.questions
        assert intent.answers
        assert intent.thoughts
        assert all(wording and wording == wording.strip() and "|" not in wording for wording in wordings)
    assert len(set(JOKES)) == len(JOKES)


def test_a_played_role_is_told_to_the_model(data_folder: Path) -> None:
    exchange = persona(data_folder)(random.Random(0))
    assert "I like soup." in exchange.system
    assert exchange.turns[-1][0] == "assistant"


def test_the_held_out_fifth_of_harmful_prompts_is_never_drawn(data_folder: Path) -> None:
    asked = {question.lower() for question, _ in drawn(refusals(data_folder), 3_000)}
    prompts = [unlike("Harm somebody", number) for number in range(20)]
    assert {prompt for prompt in prompts if prompt.lower() in asked} == set(filter(is_for_training, prompts))
    assert set(filter(is_for_training, prompts)) != set(prompts)


def test_harmful_requests_are_declined_and_look_alikes_are_not(data_folder: Path) -> None:
    declined = (
        "I can't",
        "Sorry, I can't",
        "No",
        "That could harm",
        "I won't",
        "I'm sorry",
        "I am",
        "That sounds",
    )
    assert all(reply.startswith(declined) for _, reply in drawn(refusals(data_folder)))
    assert not any("can't help" in reply for _, reply in drawn(look_alikes(data_folder)))


def test_a_style_of_the_system_prompt_shapes_the_reply(data_folder: Path) -> None:
    kind = instructions(data_folder, [identity(data_folder)])
    rng = random.Random(0)
    exchanges = [kind(rng) for _ in range(500)]
    upper = [exchange for exchange in exchanges if exchange.thought.endswith("Answer in capital letters.")]
    assert upper
    assert all(exchange.turns[-1][1].isupper() for exchange in upper)


def test_a_played_character_names_itself(data_folder: Path) -> None:
    kind = instructions(data_folder, [identity(data_folder)])
    rng = random.Random(0)
    roles = [
        exchange for exchange in (kind(rng) for _ in range(500)) if "stay in my role" in exchange.thought
    ]
    assert roles
    assert all(exchange.thought.split()[2].rstrip(".") in exchange.turns[-1][1] for exchange in roles)


def test_country_facts_are_clean_sentences(data_folder: Path) -> None:
    celand = next(read_countries(data_folder))
    assert celand.sentences() == [
        "Celand is in Europe.",
        "The capital of Celand is Cetown.",
        "Celand is in Central Europe, between Aland and Beland.",
        "People in Celand speak Celandish.",
        "The money of Celand is called crowns.",
        "About 56 million people live in Celand.",
        "Celand covers about 580,000 square kilometres.",
        "The highest point of Celand is Mount High.",
        "Celand has borders with Aland and Beland.",
        "Someone from Celand is called Celandian.",
    ]


def test_only_well_known_words_are_defined(data_folder: Path) -> None:
    known, rare = known_words(data_folder)
    assert known["hare"] == ("thing", "a fast animal with long ears")
    assert known["river"] == ("noun", "a large natural stream of water")
    assert "talked" not in known
    assert rare == ["perspicacious"]


def test_casual_spelling_keeps_the_words() -> None:
    rng = random.Random(0)
    variants = {casual(rng, "Hello, nano!") for _ in range(100)}
    assert variants == {"Hello, nano!", "Hello, nano", "hello, nano!", "hello nano"}
