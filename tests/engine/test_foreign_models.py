"""Folders that others made, from the folder to the reply: transformers writes, generates and compares."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from caesura.engine import EngineConfig, LoadedModel, LocalClient, SequenceRequest, build_engine, load
from caesura.messages.content import Conversation, conversation, text_of, text_turn, thinking_of
from caesura.messages.errors import InvalidRequestError
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, Sampling, Thinking
from caesura.model.folder import FolderError
from caesura.tokens import CLOSING_TEXT
from tests.engine.foreign_models import write_model

WINDOW = 512
# Which network each family's words go with.
NETWORKS = {"qwen3": "Qwen3", "qwen2": "Qwen2", "llama3": "Llama", "mistral": "Mistral", "llama2": "Llama"}
GREEDY = Sampling(temperature=0.0)
TALK = conversation(
    ("user", "The answer is what?"), ("assistant", "42."), ("user", "And 7+5?"), system="Be kind."
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random folder of each family, as transformers writes it."""
    root = tmp_path_factory.mktemp("foreign")
    for name, network in NETWORKS.items():
        write_model(root / name, name, network, window=WINDOW)
    return root


def _theirs(folder: Path, loaded: LoadedModel, prompt: tuple[int, ...], num_tokens: int) -> list[int]:
    """transformers' greedy continuation under the same bans: no structure inside an answer, and no end
    before it has begun."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = loaded.chat_format.phase_tokens
    surplus = range(loaded.tokenizer.vocab_size, model.config.vocab_size)
    banned = sorted({*tokens.never, tokens.think, tokens.end_think, *surplus})
    ids = torch.tensor([prompt])
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=num_tokens,
        suppress_tokens=banned,
        begin_suppress_tokens=list(tokens.end),
        eos_token_id=list(tokens.end),
        pad_token_id=tokens.end[0],
    )
    return found[0, len(prompt) :].tolist()


@pytest.mark.parametrize("name", NETWORKS)
def test_greedy_replies_are_those_of_transformers_token_for_token(folders: Path, name: str) -> None:
    loaded = load(folders / name, dtype=torch.float32)
    prompt = loaded.chat_format.render(TALK, opening="answer").ids
    engine = build_engine(loaded, EngineConfig(num_pages=40, num_threads=1))
    request = SequenceRequest(prompt=prompt, max_tokens=80, sampling=GREEDY)
    output = engine.generate([request])[0].finished.output
    engine.close()
    assert list(output) == _theirs(folders / name, loaded, prompt, 80)
    assert len(set(output)) > 10


@pytest.fixture
def client(folders: Path) -> Iterator[LocalClient]:
    models = {name: load(folders / name, dtype=torch.float32) for name in ("qwen3", "llama2")}
    client = LocalClient(models, EngineConfig(num_pages=40, num_threads=1))
    yield client
    client.close()


def _ask(model: str, **fields: Any) -> MessagesRequest:
    given: dict[str, Any] = {"model": model, "conversation": TALK, "max_tokens": 120, "sampling": GREEDY}
    return MessagesRequest(**(given | fields))


@pytest.mark.parametrize("budget", [1, 20])
async def test_a_budget_is_kept_and_an_answer_follows(
    client: LocalClient, folders: Path, budget: int
) -> None:
    tokens = load(folders / "qwen3").chat_format.phase_tokens
    request = _ask("qwen3", thinking=Thinking(mode="enabled", budget_tokens=budget))
    reply = await collect(client.stream(request))
    assert [type(block).__name__ for block in reply.content] == ["ThinkingBlock", "TextBlock"]
    assert text_of(reply.content).strip()
    assert thinking_of(reply.content).endswith(CLOSING_TEXT)
    assert reply.usage.thinking_tokens == budget + len(tokens.closing)
    assert reply.usage.input_tokens == await client.count_tokens(request)


async def test_the_model_may_decide_whether_to_think(client: LocalClient) -> None:
    kinds: set[tuple[str, ...]] = set()
    for seed in range(12):
        thinking, sampling = Thinking(mode="adaptive"), Sampling(temperature=1.0, seed=seed)
        request = _ask("qwen3", thinking=thinking, sampling=sampling, max_tokens=90)
        reply = await collect(client.stream(request))
        kinds.add(tuple(type(block).__name__ for block in reply.content))
        assert bool(reply.usage.thinking_tokens) == bool(thinking_of(reply.content))
    assert kinds == {("TextBlock",), ("ThinkingBlock", "TextBlock")}


async def test_a_model_that_cannot_think_says_so(client: LocalClient) -> None:
    assert {info.id: info.can_think for info in await client.models()} == {"qwen3": True, "llama2": False}
    with pytest.raises(InvalidRequestError, match="cannot think"):
        await collect(client.stream(_ask("llama2", thinking=Thinking(mode="enabled", budget_tokens=9))))
    for thinking in (Thinking(), Thinking(mode="adaptive")):
        request = _ask("llama2", thinking=thinking)
        reply = await collect(client.stream(request))
        assert [type(block).__name__ for block in reply.content] == ["TextBlock"]
        assert reply.usage.prompt_tokens == await client.count_tokens(request)


@pytest.mark.parametrize("max_tokens", [1, 2, 90])
async def test_a_choice_is_counted_alike_whatever_max_tokens_is(client: LocalClient, max_tokens: int) -> None:
    adaptive = Thinking(mode="adaptive")
    reply = await collect(client.stream(_ask("qwen3", thinking=adaptive, max_tokens=max_tokens)))
    assert reply.usage.prompt_tokens == await client.count_tokens(_ask("qwen3", thinking=adaptive))
    assert 0 < reply.usage.output_tokens <= max_tokens


@pytest.mark.parametrize("prefill", [None, "So I"], ids=["a reply", "a prefill"])
async def test_a_reply_begins_and_a_prefill_goes_on_as_transformers_decodes_it(
    client: LocalClient, folders: Path, prefill: str | None
) -> None:
    loaded, theirs = load(folders / "llama2"), transformers.AutoTokenizer.from_pretrained(folders / "llama2")
    begun = () if prefill is None else (text_turn("assistant", prefill),)
    firsts: set[str] = set()
    for number in range(40):
        talk = Conversation(turns=(text_turn("user", f"And {number} apples?"), *begun))
        reply = await collect(client.stream(_ask("llama2", conversation=talk, max_tokens=4)))
        prompt = loaded.chat_format.render(talk, opening="answer").ids
        request = SequenceRequest(prompt=prompt, sampling=GREEDY, max_tokens=4)
        output = (await asyncio.to_thread(client.engine("llama2").generate, [request]))[0].finished.output
        prefix = prompt if begun else ()
        told = theirs.decode([*prefix, *output], skip_special_tokens=True)
        if "\N{REPLACEMENT CHARACTER}" not in told:
            assert theirs.decode(prefix, skip_special_tokens=True) + text_of(reply.content) == told
            firsts.add(loaded.tokenizer.decode(output[:1])[:1])
    assert " " in firsts, "or nothing was tried"


def test_a_folder_whose_words_do_not_fit_its_network_is_refused(folders: Path, tmp_path: Path) -> None:
    for path in (folders / "qwen3").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    last = spec["added_tokens"][-1]
    spec["added_tokens"] += [dict(last, id=last["id"] + n, content=f"<extra{n}>") for n in range(1, 99)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    with pytest.raises(FolderError, match=r"tokenizer\.json has \d+ tokens"):
        load(tmp_path)
