"""Text continued and scored by the seeded model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import torch

from caesura.engine import EngineConfig, LoadedModel, LocalClient
from caesura.engine.prompt_scores import prompt_scores
from caesura.engine.text_model import MAX_SCORED_TOKENS, LocalTexts
from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.messages.fold import collect
from caesura.messages.request import Sampling
from caesura.messages.response import Usage
from caesura.messages.texts import TextRequest
from caesura.model.attention import PackedAttention
from caesura.tokens.markers import BEGIN

PROMPT = "the sum of two numbers"


@pytest.fixture
def client(loaded: LoadedModel) -> Iterator[LocalClient]:
    client = LocalClient({"tiny": loaded}, EngineConfig(num_pages=10, num_threads=1))
    yield client
    client.close()


@pytest.fixture
def texts(client: LocalClient) -> Iterator[LocalTexts]:
    texts = LocalTexts(client)
    yield texts
    texts.close()


def ask(prompt: str | tuple[int, ...] = PROMPT, **fields: object) -> TextRequest:
    given = {
        "model": "tiny",
        "prompt": prompt,
        "max_tokens": 12,
        "sampling": Sampling(temperature=0),
    } | fields
    return TextRequest(**given)  # pyright: ignore[reportArgumentType]


def prompt_ids(loaded: LoadedModel) -> tuple[int, ...]:
    return (loaded.tokenizer.marker(BEGIN), *loaded.tokenizer.encode(PROMPT))  # type: ignore[union-attr]


async def test_a_text_goes_on_as_its_ids_do(texts: LocalTexts, loaded: LoadedModel) -> None:
    by_text = await collect(texts.extend(ask()))
    by_ids = await collect(texts.extend(ask(prompt_ids(loaded))))
    assert by_text.content == by_ids.content
    assert by_text.usage.prompt_tokens == len(prompt_ids(loaded))
    assert by_text.usage.output_tokens == 12
    assert by_text.stop_reason == "max_tokens"


async def test_what_is_added_continues_the_text_and_no_conversation(
    texts: LocalTexts, loaded: LoadedModel
) -> None:
    """Greedy, word after word: what the bare network says of the ids, with no marker between."""
    scored = await texts.score(ask(max_tokens=1), num_top=1)
    assert [token.piece for token in scored.tokens[: scored.num_prompt]] == [
        loaded.tokenizer.token_bytes[token] for token in prompt_ids(loaded)[1:]
    ]
    network = loaded.model
    ids_T = torch.tensor(prompt_ids(loaded))
    hidden = network(ids_T[None], torch.arange(len(ids_T))[None], PackedAttention())
    words = network.logits(hidden)[0, -1].float()[: loaded.tokenizer.vocab_size]
    words[list(loaded.chat_format.phase_tokens.never)] = -torch.inf
    words[list(loaded.chat_format.phase_tokens.end)] = -torch.inf
    words[[loaded.chat_format.phase_tokens.think, loaded.chat_format.phase_tokens.end_think]] = -torch.inf
    assert scored.tokens[-1].piece == loaded.tokenizer.token_bytes[int(words.argmax())]


async def test_scores_are_the_networks(texts: LocalTexts, loaded: LoadedModel) -> None:
    scored = await texts.score(ask(max_tokens=0), num_top=3)
    ids = prompt_ids(loaded)
    ids_T = torch.tensor(ids)
    with torch.no_grad():
        hidden = loaded.model(ids_T[None], torch.arange(len(ids))[None], PackedAttention())
        log_probs = torch.log_softmax(loaded.model.logits(hidden)[0].float(), dim=-1)
    expected = [float(log_probs[place, token]) for place, token in enumerate(ids[1:])]
    assert [token.log_prob for token in scored.tokens] == pytest.approx(expected, abs=1e-4)
    for place, token in enumerate(scored.tokens):
        assert [log_prob for _, log_prob in token.top] == pytest.approx(
            log_probs[place].topk(3).values.tolist(), abs=1e-4
        )
    assert (scored.text, scored.stop_reason) == ("", "max_tokens")


async def test_the_first_of_the_ids_has_nothing_before_it(texts: LocalTexts, loaded: LoadedModel) -> None:
    by_ids = await texts.score(ask(prompt_ids(loaded), max_tokens=0), num_top=0)
    by_text = await texts.score(ask(max_tokens=0), num_top=0)
    assert by_ids.tokens[0].log_prob is None
    assert by_ids.tokens[1:] == by_text.tokens
    assert len(by_text.tokens) == by_text.num_prompt


async def test_what_is_added_is_scored_with_the_prompt(texts: LocalTexts) -> None:
    scored = await texts.score(ask(), num_top=1)
    whole = await collect(texts.extend(ask()))
    assert len(scored.tokens) == scored.num_prompt + 12
    assert (
        b"".join(token.piece for token in scored.tokens[scored.num_prompt :]).decode(errors="replace")
        == scored.text
    )
    assert scored.text == "".join(block.text for block in whole.content)  # type: ignore[union-attr]
    assert scored.usage == Usage(input_tokens=scored.num_prompt + 1, output_tokens=12)
    # Greedy: each is the likeliest, but for markers, which are never written.
    added = scored.tokens[scored.num_prompt :]
    assert any(token.log_prob == token.top[0][1] for token in added)


async def test_scores_in_pieces_are_scores_at_once(loaded: LoadedModel) -> None:
    """More rows than are scored in one go."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(20, 290, (400,), generator=generator).tolist()
    scores = prompt_scores(loaded.model, ids, num_top=1)
    assert len(scores) == 399
    ids_T = torch.tensor(ids)
    with torch.no_grad():
        hidden = loaded.model(ids_T[None], torch.arange(400)[None], PackedAttention())
        log_probs = torch.log_softmax(loaded.model.logits(hidden)[0].float(), dim=-1)
    expected = log_probs[:-1].gather(1, ids_T[1:, None])[:, 0].tolist()
    assert [score.log_prob for score in scores] == pytest.approx(expected, abs=1e-4)
    assert prompt_scores(loaded.model, ids[:1], num_top=1) == []


async def test_scoring_and_generating_go_on_at_once(texts: LocalTexts) -> None:
    alone = await texts.score(ask(max_tokens=0), num_top=1)
    whole = await collect(texts.extend(ask(max_tokens=40)))
    generating = asyncio.create_task(collect(texts.extend(ask(max_tokens=40))))
    scored = await asyncio.gather(*(texts.score(ask(max_tokens=0), num_top=1) for _ in range(8)))
    assert (await generating).content == whole.content
    assert scored == [alone] * 8


async def test_a_stop_sequence_ends_the_text_before_it(texts: LocalTexts) -> None:
    whole = (await texts.score(ask(), num_top=0)).text
    stop = whole[4:6]
    scored = await texts.score(ask(stop_sequences=(stop,)), num_top=0)
    assert (scored.text, scored.stop_reason) == (whole[: whole.index(stop)], "stop_sequence")


async def test_leaving_says_what_it_took(texts: LocalTexts) -> None:
    taken: list[Usage] = []
    stream = texts.extend(ask(max_tokens=100, when_cut=taken.append))
    await anext(stream)
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(taken) == 1
    assert taken[0].output_tokens < 100


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": ()}, "a list of ids needs at least one"),
        ({"prompt": (5, 300)}, r"300 is no token of this model; ids go from 0 to 29\d"),
        ({"prompt": (-1,)}, "-1 is no token"),
        ({"prompt": "the sum " * 400}, "prompt is too long: "),
        ({"max_tokens": 500}, r"input length and `max_tokens` exceed context limit: \d+ \+ 500 > 320"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    texts: LocalTexts, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        await collect(texts.extend(ask(**fields)))  # pyright: ignore[reportArgumentType]


async def test_a_text_that_is_too_long_to_be_scored_at_once_is_refused(texts: LocalTexts) -> None:
    with pytest.raises(InvalidRequestError, match=f"> {MAX_SCORED_TOKENS} maximum that are scored at once"):
        await texts.score(ask((5,) * (MAX_SCORED_TOKENS + 1), max_tokens=0), num_top=0)


async def test_an_unknown_model_is_not_found(texts: LocalTexts) -> None:
    with pytest.raises(NotFoundError):
        await texts.score(ask(model="other"), num_top=0)
