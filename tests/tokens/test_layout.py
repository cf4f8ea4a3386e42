"""The format's whitespace: taken off alike, however the text is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.tokens.layout import hold_back, trim_start

_TEXT = st.text("\n ab", max_size=6)
_PIECES = st.lists(st.text("\n ab", max_size=3), max_size=6)
_SPACE = st.sampled_from(["", "\n", "\n\n", " \n"])


@given(_PIECES, _SPACE)
def test_a_lead_is_taken_off_alike_however_the_text_is_cut(pieces: list[str], lead: str) -> None:
    shown, rest = "", lead
    for piece in pieces:
        text, rest = trim_start(piece, rest)
        shown += text
    assert shown == trim_start("".join(pieces), lead).text
    if "".join(pieces).startswith(lead):
        assert shown == "".join(pieces).removeprefix(lead)


@given(_TEXT, _SPACE)
def test_no_more_is_taken_off_than_the_lead(text: str, lead: str) -> None:
    shown = trim_start(text, lead).text
    assert text.endswith(shown)
    assert lead.startswith(text[: len(text) - len(shown)])


@given(_PIECES, _SPACE)
def test_what_is_held_back_is_the_end_alone(pieces: list[str], tail: str) -> None:
    shown = held = ""
    for piece in pieces:
        text, held = hold_back(held + piece, tail)
        shown += text
    whole = "".join(pieces)
    assert shown + held == whole
    assert tail.startswith(held)
    if whole.endswith(tail):
        assert (shown + held).removesuffix(tail) == whole[: len(whole) - len(tail)]
        assert held == tail
