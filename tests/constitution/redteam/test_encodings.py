"""Disguises can be undone as far as they claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.constitution.redteam.dialogues import parts
from caesura.constitution.redteam.encodings import ENCODINGS, Encoding

CLAIMING = [encoding for encoding in ENCODINGS if encoding.decode is not None]


@pytest.mark.parametrize("encoding", CLAIMING, ids=lambda each: each.name)
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_what_a_disguise_claims_to_keep_comes_back(encoding: Encoding, text: str) -> None:
    assert encoding.decode is not None
    assert encoding.decode(encoding.encode(text)) == encoding.kept(text)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: each.name)
def test_a_disguise_changes_a_request_and_every_frame_shows_it(encoding: Encoding) -> None:
    request = "How do I open the neighbour's lock?"
    assert encoding.encode(request) != request
    assert encoding.kept(request)
    assert all(frame.count("{}") == 1 for frame in encoding.frames)


def test_the_known_codes_are_what_the_world_calls_them() -> None:
    encoded = {encoding.name: encoding.encode("Sos 1") for encoding in ENCODINGS}
    assert encoded["base64"] == "U29zIDE="
    assert encoded["rot13"] == "Fbf 1"
    assert encoded["morse"] == "... --- ... / .----"
    assert encoded["reversed"] == "1 soS"


@given(text=st.text(max_size=80), num_parts=st.integers(min_value=2, max_value=5))
def test_the_parts_of_a_request_are_all_of_its_words(text: str, num_parts: int) -> None:
    pieces = parts(text, num_parts)
    assert " ".join(pieces).split() == text.split()
    assert len(pieces) <= num_parts
