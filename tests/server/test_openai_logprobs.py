"""Log-probabilities in OpenAI's form."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.texts import ScoredToken
from caesura.server.openai_logprobs import logprobs_json, text_of_pieces


def token(piece: bytes, log_prob: float | None = -1.0, *top: tuple[bytes, float]) -> ScoredToken:
    return ScoredToken(piece=piece, log_prob=log_prob, top=top)


def test_broken_characters_are_told_apart() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    body = logprobs_json([token(b"a", None), token(first, -1.0, (second, -0.5)), token(second)])
    assert body["tokens"] == ["a", "bytes:\\xc3", "bytes:\\xa9"]
    assert body["top_logprobs"][1] == {"bytes:\\xa9": -0.5, "bytes:\\xc3": -1.0}


def test_the_token_itself_is_among_its_alternatives_and_the_likeliest_of_equals_counts() -> None:
    body = logprobs_json([token(b"", -2.0, (b"", -0.5), (b"x", -1.0))])
    assert body["top_logprobs"] == [{"": -0.5, "x": -1.0}]
    likeliest = logprobs_json([token(b"x", -0.5, (b"x", -0.5), (b"y", -1.0))])
    assert max(likeliest["top_logprobs"][0].values()) == likeliest["token_logprobs"][0]


@settings(deadline=None)
@given(st.text(), st.lists(st.integers(1, 4), max_size=20))
def test_offsets_are_places_in_the_text_however_it_is_cut(text: str, sizes: list[int]) -> None:
    data = text.encode("utf-8", "replace")
    pieces: list[bytes] = []
    for size in (*sizes, len(data)):
        pieces.append(data[:size])
        data = data[size:]
    tokens = [token(piece) for piece in pieces]
    whole = text_of_pieces(tokens)
    offsets = logprobs_json(tokens)["text_offset"]
    assert offsets == sorted(offsets)
    done = b""
    for piece, offset in zip(pieces, offsets, strict=True):
        assert whole.startswith(done.decode("utf-8", "ignore"))
        assert offset == len(done.decode("utf-8", "ignore"))
        done += piece
