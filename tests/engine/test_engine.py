"""The whole engine on a seeded model: invariants 1, 2, 4 and 5."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import pytest
import torch

from caesura.engine import (
    Completion,
    Engine,
    EngineConfig,
    Finished,
    LoadedModel,
    SequenceRequest,
    Stream,
    build_engine,
)
from caesura.engine.loading import build_core
from caesura.engine.sequence import Retention
from caesura.messages.errors import ApiError, InvalidRequestError, OverloadedError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    TextDelta,
    ThinkingDelta,
    merge_deltas,
)
from caesura.messages.request import Sampling
from caesura.messages.response import Usage
from caesura.model import PackedAttention, Transformer
from caesura.tokens import BlockParser, CaesuraFormat, Opening, Tokenizer
from tests.engine.fake_model import FakeTiers

MakeEngine = Callable[..., Engine]
GREEDY = Sampling(temperature=0.0)


def prompts(count: int, longest: int = 60) -> list[tuple[int, ...]]:
    dice = random.Random(count)
    return [tuple(dice.randrange(16, 300) for _ in range(dice.randint(1, longest))) for _ in range(count)]


def ask(prompt: tuple[int, ...], **fields: object) -> SequenceRequest:
    return SequenceRequest(**({"prompt": prompt, "max_tokens": 40, "sampling": GREEDY} | fields))  # pyright: ignore[reportArgumentType]


def outputs(completions: list[Completion]) -> list[tuple[int, ...]]:
    return [each.finished.output for each in completions]


def thinking(completion: Completion) -> int:
    deltas = (each for each in completion.events if isinstance(each, ThinkingDelta))
    return sum(each.num_tokens for each in deltas)


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(seed=11), Sampling(seed=5, top_p=0.8, top_k=40)])
def test_a_batch_of_n_is_n_singles(make_engine: MakeEngine, sampling: Sampling) -> None:
    requests = [ask(prompt, sampling=sampling) for prompt in prompts(9)]
    engine = make_engine()
    together = outputs(engine.generate(requests))
    assert together == [outputs(engine.generate([request]))[0] for request in requests]
    assert len(set(together)) == len(together)


def test_a_crowded_pool_changes_no_output(make_engine: MakeEngine) -> None:
    requests = [ask(prompt, max_tokens=100) for prompt in prompts(10, longest=25)]
    crowded = make_engine(num_pages=9, max_running=10, max_step_tokens=16)
    assert outputs(crowded.generate(requests)) == outputs(make_engine().generate(requests))
    stats = crowded.stats()
    assert stats.num_spills > 0
    assert stats.num_used_pages == 0
    assert stats.num_prompt_tokens == sum(len(request.prompt) for request in requests)


async def test_streamed_is_whole(make_engine: MakeEngine) -> None:
    engine = make_engine()
    request = ask(prompts(1)[0], opening="think", budget_tokens=10)
    streamed = [news async for news in engine.submit(request)]
    whole = (await asyncio.to_thread(engine.generate, [request]))[0]
    assert merge_deltas(streamed) == merge_deltas([*whole.events, whole.finished])


async def test_between_its_first_token_and_its_end_a_stream_waits_for_the_clock(loaded: LoadedModel) -> None:
    engine = Engine(build_core(loaded, EngineConfig(num_pages=8)), num_threads=1, clock=lambda: 0.0)
    request = ask(prompts(1)[0], opening="think", budget_tokens=10)
    news = [each async for each in engine.submit(request)]
    assert [type(each) for each in news] == [
        BlockStart,
        ThinkingDelta,  # with the first token
        ThinkingDelta,
        BlockStop,
        BlockStart,
        TextDelta,  # with the first token of the answer
        TextDelta,
        BlockStop,
        Finished,
    ]
    assert isinstance(news[-1], Finished)
    deltas = [each for each in news if isinstance(each, ThinkingDelta)]
    assert sum(each.num_tokens for each in deltas) == news[-1].usage.thinking_tokens
    await asyncio.to_thread(engine.close)


def test_engine_log_probabilities_are_the_models(make_engine: MakeEngine, loaded: LoadedModel) -> None:
    requests = [ask(prompt, sampling=Sampling(seed=1), wants_log_probs=True) for prompt in prompts(4)]
    requests.append(ask(prompts(1)[0], opening="think", budget_tokens=6, wants_log_probs=True))
    for request, completion in zip(requests, make_engine().generate(requests), strict=True):
        finished, start = completion.finished, len(request.prompt)
        ids = torch.tensor([[*request.prompt, *finished.output]])
        with torch.inference_mode():
            hidden = loaded.model(ids, torch.arange(ids.shape[1])[None], PackedAttention())
            log_probs = loaded.model.logits(hidden)[0].float().log_softmax(-1)
        for offset, token in enumerate(finished.output):
            found = finished.log_probs[offset]
            expected = log_probs[start + offset - 1, token].item()
            assert found == 0 if finished.is_forced[offset] else abs(found - expected) < 1e-4


@pytest.mark.parametrize("opening", ["think", "choose"])
@pytest.mark.parametrize("budget", [1, 7, 30])
def test_budgets_hold_for_every_row_of_a_batch(
    make_engine: MakeEngine, loaded: LoadedModel, opening: Opening, budget: int
) -> None:
    tokens = loaded.chat_format.phase_tokens
    engine = make_engine()
    requests = [
        ask(prompt, opening=opening, budget_tokens=budget, max_tokens=150, sampling=Sampling(seed=number))
        for number, prompt in enumerate(prompts(8))
    ]
    for completion in engine.generate(requests):
        finished = completion.finished
        assert finished.usage.output_tokens == len(finished.output) <= 150
        assert finished.usage.thinking_tokens == thinking(completion) <= budget + len(tokens.closing)
        forced = [t for t, is_forced in zip(finished.output, finished.is_forced, strict=True) if is_forced]
        assert forced in ([], [*tokens.closing, tokens.end_think])
        answer = finished.output[finished.output.index(tokens.end_think) + 1 :]
        assert answer
        assert finished.reason == ("end" if answer[-1] in tokens.end else "max_tokens")


def eager_to_end(loaded: LoadedModel) -> LoadedModel:
    """A model that would rather end than say a word."""
    config = replace(loaded.model.config, tie_embeddings=False)
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(3))
    assert model.lm_head is not None
    tokens = loaded.chat_format.phase_tokens
    with torch.no_grad():
        model.embed_tokens.weight[:, 0] = 5.0
        model.lm_head.weight[:, 0] = 0.0
        model.lm_head.weight[list(tokens.end), 0] = 3.0
    return replace(loaded, model=model.eval())


def test_an_answer_says_something_before_it_ends(loaded: LoadedModel) -> None:
    engine = build_engine(eager_to_end(loaded), EngineConfig(num_pages=64, num_threads=1))
    openings: tuple[Opening, ...] = ("think", "answer", "choose")
    completions = engine.generate(
        [
            ask(prompt, opening=opening, budget_tokens=2, max_tokens=200, sampling=Sampling(seed=1))
            for opening in openings
            for prompt in prompts(6)
        ]
    )
    engine.close()
    for completion in completions:
        assert completion.finished.reason == "end"
        text = "".join(each.text for each in completion.events if isinstance(each, TextDelta))
        assert text.strip()


def test_a_stop_sequence_ends_the_answer_where_it_matches(make_engine: MakeEngine) -> None:
    engine = make_engine()
    request = ask(prompts(1)[0])
    free = engine.generate([request])[0]
    text = "".join(each.text for each in free.events if isinstance(each, TextDelta))
    stop = text[10:12]
    stopped = engine.generate([ask(request.prompt, stop_sequences=("never there", stop))])[0]
    assert stopped.finished.reason == "stop_sequence"
    assert stopped.finished.stop_sequence == stop
    shown = "".join(each.text for each in stopped.events if isinstance(each, TextDelta))
    assert shown == text[: text.index(stop)]
    output = stopped.finished.output
    assert output == free.finished.output[: len(output)]
    assert stopped.finished.usage.output_tokens == len(output)


def test_the_window_ends_what_max_tokens_does_not(make_engine: MakeEngine) -> None:
    engine = make_engine(num_pages=3)
    assert engine.max_positions == 96
    finished = engine.generate([ask(tuple(range(20, 90)), max_tokens=500)])[0].finished
    assert (finished.reason, finished.usage.output_tokens) == ("window", 26)


def test_a_prompt_that_fills_the_window_is_refused(make_engine: MakeEngine) -> None:
    with pytest.raises(InvalidRequestError, match="prompt is too long: 96 tokens > 95 maximum"):
        make_engine(num_pages=3).generate([ask((20,) * 96)])


async def test_closing_a_stream_frees_its_pages_within_a_step(make_engine: MakeEngine) -> None:
    engine = make_engine()
    stream = engine.submit(ask((20, 21), max_tokens=400))
    other = engine.submit(ask((22, 23), max_tokens=60))
    await anext(stream)
    stream.close()
    news = [each async for each in other]
    assert isinstance(news[-1], Finished)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    stats = engine.stats()
    assert stats.num_running == stats.num_waiting == 0
    assert stats.num_used_pages == 0
    assert stats.num_output_tokens < 400


async def test_every_stream_ends_exactly_once_under_random_cancellation(make_engine: MakeEngine) -> None:
    engine = make_engine(num_pages=24, max_running=6, max_step_tokens=16)
    dice = random.Random(0)

    async def follow(prompt: tuple[int, ...]) -> tuple[Stream, int]:
        stream = engine.submit(ask(prompt, opening="think", budget_tokens=5))
        patience, read = dice.randint(0, 60), 0
        async for news in stream:
            read += isinstance(news, Finished)
            patience -= 1
            if patience < 0:
                stream.close()
        return stream, read

    followed = await asyncio.gather(*(follow(prompt) for prompt in prompts(40)))

    def ends() -> list[int]:
        """For each stream, what was read and what was delivered to it after it had been closed."""
        return [read + sum(isinstance(each, Finished) for each in stream.unread) for stream, read in followed]

    async with asyncio.timeout(20):
        while engine.stats().num_running or engine.stats().num_waiting or 0 in ends():
            await asyncio.sleep(0.001)
    await asyncio.to_thread(engine.close)
    await asyncio.sleep(0)
    assert ends() == [1] * 40
    assert 0 < sum(read for _, read in followed) < 40
    assert engine.stats().num_used_pages == 0


# --- what is kept


def test_a_cached_prompt_is_answered_bit_for_bit_as_if_it_were_not(make_engine: MakeEngine) -> None:
    """Chunks of 128 tokens, and 128 that are found: the rest is the same chunk with and without."""
    prompt = tuple(random.Random(0).randrange(16, 300) for _ in range(128 + 20))
    cold = make_engine(max_step_tokens=128).generate([ask(prompt, wants_log_probs=True)])[0].finished
    engine = make_engine(max_step_tokens=128)
    engine.generate([ask((*prompt[:128], prompt[128] ^ 1))])
    warm = engine.generate([ask(prompt, wants_log_probs=True)])[0].finished
    assert (cold.usage.cache_read_input_tokens, warm.usage.cache_read_input_tokens) == (0, 128)
    assert (cold.output, cold.log_probs) == (warm.output, warm.log_probs)


def test_a_cached_prompt_is_answered_alike_however_chunks_lie(make_engine: MakeEngine) -> None:
    engine = make_engine(max_step_tokens=48)
    for prompt in prompts(8, longest=200):
        cold, warm = (engine.generate([ask(prompt, wants_log_probs=True)])[0].finished for _ in range(2))
        assert warm.output == cold.output
        assert warm.log_probs == pytest.approx(cold.log_probs, abs=1e-4)
        assert warm.usage.cache_read_input_tokens == (len(prompt) - 1) // 32 * 32


def test_conversations_in_a_crowded_pool_say_what_they_say_alone(make_engine: MakeEngine) -> None:
    """Five conversations with one beginning, four turns each, all at once, in a pool that holds two."""
    crowded, roomy = make_engine(num_pages=20, max_running=5, max_step_tokens=32), make_engine()
    system = prompts(1, longest=90)[0] + (33,) * 40
    crowds = [system + (40 + number,) * 9 for number in range(5)]
    alone = list(crowds)
    for turn in range(4):
        requests = [ask(prompt, max_tokens=25) for prompt in crowds]
        replies = outputs(crowded.generate(requests))
        singles = [
            outputs(roomy.generate([ask(prompt, max_tokens=25, tenant=f"{number} {turn}")]))[0]
            for number, prompt in enumerate(alone)
        ]
        assert replies == singles
        crowds = [(*each, *reply, 50 + turn) for each, reply in zip(crowds, replies, strict=True)]
        alone = list(crowds)
    stats = crowded.stats()
    assert stats.num_cached_tokens > 0
    assert stats.num_evicted_pages > 0
    assert stats.num_used_pages == 0
    assert roomy.stats().num_cached_tokens == 0


def test_samples_of_one_prompt_pay_for_one_prefill(make_engine: MakeEngine) -> None:
    engine = make_engine()
    prompt = (*range(20, 220), 7, 7, 7)
    samples = [ask(prompt, sampling=Sampling(seed=number)) for number in range(16)]
    together = engine.generate(samples)
    assert engine.stats().num_cached_tokens == 15 * 192
    assert len(set(outputs(together))) > 1
    for number, sample in enumerate(samples):
        single = engine.generate([replace(sample, tenant=str(number))])
        assert outputs(single) == outputs([together[number]])


def test_the_next_turn_reads_the_reply_of_the_one_before(make_engine: MakeEngine) -> None:
    engine = make_engine()
    prompt = prompts(1)[0]
    said = engine.generate([ask(prompt, max_tokens=80)])[0].finished.output
    follow_up = (*prompt, *said, 20, 21)
    usage = engine.generate([ask(follow_up)])[0].finished.usage
    assert usage.cache_read_input_tokens == (len(prompt) + len(said) - 1) // 32 * 32
    assert usage.prompt_tokens == len(follow_up)


def test_a_prompt_is_warmed_without_a_word(make_engine: MakeEngine) -> None:
    engine = make_engine()
    prompt = tuple(range(20, 120))
    retentions = (Retention(70, 300.0), Retention(40, 3600.0))
    completion = engine.generate([ask(prompt, max_tokens=0, opening="think", retentions=retentions)])[0]
    assert completion.events == ()
    assert (completion.finished.reason, completion.finished.output) == ("max_tokens", ())
    assert completion.finished.usage == Usage(
        input_tokens=36, cache_creation_input_tokens=64, cache_creation_1h_input_tokens=32
    )
    assert engine.stats().num_retained_pages == 2
    usage = engine.generate([ask(prompt)])[0].finished.usage
    assert (usage.cache_read_input_tokens, usage.input_tokens) == (96, 4)


def test_a_restarted_engine_finds_what_was_written_down(loaded: LoadedModel) -> None:
    tiers = FakeTiers()
    request = ask((*range(20, 220), 7, 7, 7), wants_log_probs=True)

    def run(model: LoadedModel) -> Finished:
        engine = build_engine(model, EngineConfig(num_pages=32, num_threads=1, tiers=tiers))
        finished = engine.generate([request])[0].finished
        engine.close()
        return finished

    cold, restarted = run(loaded), run(loaded)
    assert restarted.usage.cache_read_input_tokens == 192
    assert restarted.output == cold.output
    assert restarted.log_probs == pytest.approx(cold.log_probs, abs=1e-4)
    other = run(replace(loaded, identity=b"other weights"))
    assert other.usage.cache_read_input_tokens == 0


def test_what_is_at_hand_is_estimated_before_a_sequence_starts(loaded: LoadedModel) -> None:
    core = build_core(loaded, EngineConfig(num_pages=32))
    request = ask(tuple(range(20, 84)), max_tokens=1)
    first = core.prepare(request)
    core.add(first)
    while core.has_work:
        core.step()
    assert first.num_cached_estimate == 0
    assert core.prepare(request).num_cached_estimate == 32
    assert core.prepare(replace(request, tenant="other")).num_cached_estimate == 0


# --- what goes wrong


async def test_a_full_queue_says_so(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1, max_waiting=2)

    def crowd() -> None:
        for _ in range(4):
            engine.submit(ask((20, 21), max_tokens=300))

    with pytest.raises(OverloadedError, match="2 requests wait already"):
        crowd()


async def test_a_tenant_that_fills_the_queue_locks_nobody_out(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1, max_waiting=6)
    waits_s = set[int]()

    def come(tenant: str, most: int) -> int:
        for number in range(most):
            try:
                engine.submit(ask((20, 21), max_tokens=400, tenant=tenant))
            except OverloadedError as error:
                waits_s.add(error.retry_after_s)
                return number
        return most

    assert come("flood", 20) in (6, 7), "one may have left the queue to run"
    assert come("quiet", 20) == 3, "half of the places"
    assert come("third", 20) == 2, "a third of them"
    assert come("flood", 20) == 0
    assert waits_s == {5}


async def test_a_failing_step_fails_its_sequences_and_the_engine_goes_on(
    make_engine: MakeEngine, loaded: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine()
    beyond_the_embedding = ask((loaded.model.config.vocab_size + 5,))
    with pytest.raises(ApiError, match="failed while it computed"):
        await anext(engine.submit(beyond_the_embedding))
    assert "a step failed" in caplog.text
    news = [each async for each in engine.submit(ask((20, 21)))]
    assert isinstance(news[-1], Finished)
    assert engine.stats().num_used_pages == 0


class BrittleParser(BlockParser):
    """Breaks at its third id."""

    num_fed = 0

    def feed(self, token: int) -> list[Event]:
        self.num_fed += 1
        if self.num_fed == 3:
            raise RuntimeError("the parser broke")
        return super().feed(token)


def our_tokenizer(loaded: LoadedModel) -> Tokenizer:
    assert isinstance(loaded.tokenizer, Tokenizer)
    return loaded.tokenizer


class BrittleFormat(CaesuraFormat):
    """Our format, whose parser breaks where it is asked to stop at "break"."""

    def parser(
        self,
        opening: Opening,
        *,
        stop_sequences: Sequence[str] = (),
        is_continued: bool = False,
        is_verbatim: bool = False,
        may_call: bool = False,
    ) -> BlockParser:
        if "break" not in stop_sequences:
            return super().parser(opening, stop_sequences=stop_sequences, is_continued=is_continued)
        return BrittleParser(self.tokenizer.token_bytes, self.phase_tokens, opening)


@pytest.mark.parametrize("brittle_at", [0, 1, 2])
def test_a_row_that_fails_leaves_the_reports_of_the_others_in_its_step(
    loaded: LoadedModel, brittle_at: int, caplog: pytest.LogCaptureFixture
) -> None:
    fragile = replace(loaded, chat_format=BrittleFormat(our_tokenizer(loaded)))
    core = build_core(fragile, EngineConfig(num_pages=8))
    requests = [ask((20 + number,), max_tokens=max_tokens) for number, max_tokens in enumerate((3, 9))]
    requests.insert(brittle_at, ask((30,), stop_sequences=("break",)))
    for request in requests:
        core.add(core.prepare(request))
    ends: list[tuple[int, int, str]] = []
    for step in range(9):
        reports = core.step()
        ends += [(step, each.sequence, each.finished.reason) for each in reports if each.finished]
    (short, long), failed = [number for number in range(3) if number != brittle_at], brittle_at
    assert sorted(ends) == sorted([(2, short, "max_tokens"), (2, failed, "failed"), (8, long, "max_tokens")])
    assert not core.has_work
    assert core.stats().num_used_pages == 0
    assert "the parser broke" in caplog.text


async def test_a_row_that_fails_raises_in_its_own_stream_only(loaded: LoadedModel) -> None:
    fragile = replace(loaded, chat_format=BrittleFormat(our_tokenizer(loaded)))
    engine = build_engine(fragile, EngineConfig(num_pages=8, num_threads=1))
    brittle = engine.submit(ask((30,), stop_sequences=("break",)))
    whole = engine.submit(ask((20,)))
    with pytest.raises(ApiError, match="failed while it computed"):
        async for _ in brittle:
            pass
    assert isinstance([each async for each in whole][-1], Finished)
    await asyncio.to_thread(engine.close)


async def test_a_failure_between_steps_ends_every_stream_and_the_engine_goes_on(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(max_running=1)
    running = engine.submit(ask((20, 21), max_tokens=400))
    await anext(running)
    waiting = engine.submit(ask((22, 23), max_tokens=400))
    engine.cancel(cast(int, []))  # cannot even be looked up
    for stream in (running, waiting):
        async with asyncio.timeout(20):
            with pytest.raises(ApiError, match="failed while it computed"):
                async for _ in stream:
                    pass
    assert "failed between steps" in caplog.text
    async with asyncio.timeout(20):
        assert isinstance([each async for each in engine.submit(ask((20, 21)))][-1], Finished)
    assert engine.stats().num_used_pages == 0


def test_a_stop_sequence_that_the_last_flush_completes_is_the_reason(
    make_engine: MakeEngine, loaded: LoadedModel
) -> None:
    """A character that is cut off by `max_tokens` is shown as U+FFFD, which is asked to stop at."""
    replacement = "\N{REPLACEMENT CHARACTER}"
    requests = [
        ask(prompt, max_tokens=1, stop_sequences=(replacement,), sampling=Sampling(seed=1))
        for prompt in prompts(64)
    ]
    ends: set[tuple[str, str | None]] = set()
    for completion in make_engine().generate(requests):
        finished = completion.finished
        text = loaded.tokenizer.decode(finished.output)
        is_cut = replacement in text
        assert (finished.reason == "stop_sequence") == is_cut
        ends.add((finished.reason, finished.stop_sequence))
    assert ends == {("stop_sequence", replacement), ("max_tokens", None)}


async def test_closing_the_engine_ends_what_runs_and_refuses_what_comes(make_engine: MakeEngine) -> None:
    engine = make_engine()
    stream = engine.submit(ask((20, 21), max_tokens=400))
    await anext(stream)
    await asyncio.to_thread(engine.close)
    with pytest.raises(ApiError, match="shut down"):
        async for _ in stream:
            pass
    with pytest.raises(ApiError, match="shut down"):
        engine.submit(ask((20, 21)))


def test_thinking_without_room_for_an_answer_is_refused(make_engine: MakeEngine) -> None:
    with pytest.raises(InvalidRequestError, match="at least 2 output tokens"):
        make_engine().generate([ask((20,), opening="think", max_tokens=1)])
