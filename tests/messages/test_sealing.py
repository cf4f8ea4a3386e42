"""Seals prove who wrote a thought, hold it, and cannot be forged, altered or read."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.errors import CaesuraError
from caesura.messages.sealing import BrokenSealError, Sealer, Thought, load_key

KEY = bytes(range(32))
SEALER = Sealer(KEY)
THOUGHT = Thought(model="nano", thinking="the secret is seventeen")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_a_seal_opens_to_its_thought(text: str) -> None:
    thought = Thought(model="nano", thinking=text)
    assert SEALER.open(SEALER.seal(thought)) == thought


def test_the_same_thought_has_the_same_seal() -> None:
    assert SEALER.seal(THOUGHT) == Sealer(KEY).seal(THOUGHT)


def test_another_model_or_thought_or_key_has_another_seal() -> None:
    seals = {
        SEALER.seal(THOUGHT),
        SEALER.seal(Thought(model="other", thinking=THOUGHT.thinking)),
        SEALER.seal(Thought(model="nano", thinking="else")),
        Sealer(bytes(32)).seal(THOUGHT),
    }
    assert len(seals) == 4


def test_a_seal_is_url_safe_and_versioned() -> None:
    seal = SEALER.seal(THOUGHT)
    assert seal.startswith("v1.")
    assert set(seal[3:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_seal_does_not_show_its_thought() -> None:
    raw = base64.urlsafe_b64decode(SEALER.seal(THOUGHT)[3:] + "==")
    assert b"seventeen" not in raw
    assert b"nano" not in raw


def test_altering_any_character_breaks_the_seal() -> None:
    seal = SEALER.seal(THOUGHT)
    for position, character in enumerate(seal):
        other = "A" if character != "A" else "B"
        with pytest.raises(BrokenSealError):
            SEALER.open(seal[:position] + other + seal[position + 1 :])


def test_cutting_or_lengthening_breaks_the_seal() -> None:
    seal = SEALER.seal(THOUGHT)
    for broken in [*(seal[:length] for length in range(len(seal))), seal + "A", seal + "=", seal + "\n"]:
        with pytest.raises(BrokenSealError):
            SEALER.open(broken)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(BrokenSealError):
        Sealer(bytes(32)).open(SEALER.seal(THOUGHT))


@given(st.one_of(TEXT, TEXT.map(lambda text: "v1." + text), st.binary().map(lambda raw: "v1." + raw.hex())))
def test_anything_else_is_a_broken_seal(text: str) -> None:
    with pytest.raises(BrokenSealError):
        SEALER.open(text)


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(CaesuraError, match="32 bytes, not 5"):
        Sealer(b"short")


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = load_key(tmp_path / "state")
    file = tmp_path / "state" / "thinking.key"
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(tmp_path / "state") == key
    assert list((tmp_path / "state").iterdir()) == [file]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_key(tmp_path)
    (tmp_path / "thinking.key").chmod(0o644)
    with pytest.raises(CaesuraError, match="chmod 600"):
        load_key(tmp_path)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    load_key(tmp_path)
    (tmp_path / "thinking.key").write_bytes(b"x")
    with pytest.raises(CaesuraError, match="holds 1 bytes, not 32"):
        load_key(tmp_path)
