"""What a caller reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.errors import MAX_MESSAGE_CHARACTERS, ApiError


def test_of_a_long_message_the_place_and_the_remedy_are_left() -> None:
    error = ApiError("tools.0.name: " + "x" * 100_000 + "; give it another")
    assert len(error.message) == len(str(error)) == MAX_MESSAGE_CHARACTERS
    assert error.message.startswith("tools.0.name: xxx")
    assert error.message.endswith("xxx; give it another")


@given(st.text(max_size=MAX_MESSAGE_CHARACTERS))
def test_any_other_message_is_told_as_it_is(message: str) -> None:
    assert ApiError(message).message == message
