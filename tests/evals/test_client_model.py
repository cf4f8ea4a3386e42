"""Our Client as inspect-ai sees it."""

from __future__ import annotations

import pytest
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    get_model,
)

from caesura.evals.client_model import client_model, request_of
from caesura.messages.content import TextBlock, ThinkingBlock, Turn, text_turn
from caesura.messages.errors import ApiError, OverloadedError
from caesura.messages.request import Sampling, Thinking
from caesura.messages.scripted import ScriptedClient, ScriptedReply

QUESTION: list[ChatMessage] = [ChatMessageUser(content="What is 2+2?")]


async def test_a_reply_arrives_with_its_thought_and_exact_counts() -> None:
    client = ScriptedClient([ScriptedReply(thinking="two and two", text="The answer is 4.")])
    told: list[None] = []
    model = client_model(client, "scripted", lambda: told.append(None))
    output = await model.generate(QUESTION, config=GenerateConfig(reasoning_tokens=10, max_tokens=50))
    message = output.choices[0].message
    reasoning, text = message.content
    assert isinstance(reasoning, ContentReasoning)
    assert isinstance(text, ContentText)
    assert (reasoning.reasoning, reasoning.signature) == ("two and two", "scripted")
    assert output.completion == "The answer is 4."
    assert output.stop_reason == "stop"
    assert output.usage is not None
    assert (output.usage.reasoning_tokens, output.usage.output_tokens) == (3, 7)
    assert output.metadata == {
        "prompt_tokens": 4,
        "output_tokens": 7,
        "thinking_tokens": 3,
        "streamed_thinking_tokens": 3,
        "stop_reason": "end_turn",
    }
    assert len(told) == 1


async def test_a_budget_an_effort_and_neither_are_the_three_modes() -> None:
    client = ScriptedClient(otherwise="The answer is 4.")
    model = client_model(client, "scripted")
    for config in (
        GenerateConfig(reasoning_tokens=64),
        GenerateConfig(reasoning_effort="low"),
        GenerateConfig(),
        GenerateConfig(reasoning_tokens=0),
    ):
        await model.generate(QUESTION, config=config)
    enabled, adaptive, plain, zero = client.history
    assert enabled.thinking == Thinking(mode="enabled", budget_tokens=64)
    assert (adaptive.thinking.mode, adaptive.effort) == ("adaptive", "low")
    assert plain.thinking == zero.thinking == Thinking(mode="disabled")


def test_settings_are_passed_on() -> None:
    config = GenerateConfig(temperature=0.0, top_p=0.9, top_k=5, seed=3, max_tokens=7, stop_seqs=["x"])
    request = request_of("nano", QUESTION, config)
    assert request.sampling == Sampling(temperature=0.0, top_p=0.9, top_k=5, seed=3)
    assert (request.model, request.max_tokens, request.stop_sequences) == ("nano", 7, ("x",))
    assert request.conversation.turns == (text_turn("user", "What is 2+2?"),)


async def test_a_prefilled_thought_stays_a_thought() -> None:
    client = ScriptedClient(otherwise="The answer is 4.")
    thought = ContentReasoning(reasoning=" . . .", signature="mine")
    messages: list[ChatMessage] = [
        ChatMessageSystem(content="Be brief."),
        *QUESTION,
        ChatMessageAssistant(content=[thought]),
    ]
    await client_model(client, "scripted").generate(messages)
    assert client.history[0].conversation.turns == (
        Turn(role="system", content=(TextBlock(text="Be brief."),)),
        text_turn("user", "What is 2+2?"),
        Turn(role="assistant", content=(ThinkingBlock(thinking=" . . .", signature="mine"),)),
    )


def test_what_we_have_no_word_for_is_refused() -> None:
    with pytest.raises(ValueError, match="role tool"):
        request_of("nano", [ChatMessageTool(content="4")], GenerateConfig())
    picture = ChatMessageUser(content=[ContentImage(image="data:image/png;base64,AAAA")])
    with pytest.raises(ValueError, match="type image"):
        request_of("nano", [picture], GenerateConfig())


async def test_an_error_of_the_client_comes_through() -> None:
    model = client_model(ScriptedClient([ApiError("the cable is out")]), "scripted")
    with pytest.raises(Exception, match="the cable is out"):
        await model.generate(QUESTION)


async def test_an_overloaded_server_is_asked_again() -> None:
    client = ScriptedClient([OverloadedError("full"), "The answer is 4."])
    assert client_model(client, "scripted").api.should_retry(OverloadedError("full"))
    assert not client_model(client, "scripted").api.should_retry(ApiError("broken"))


def test_without_a_client_the_provider_asks_for_a_server() -> None:
    with pytest.raises(ValueError, match="--model-base-url"):
        get_model("caesura/nano", memoize=False)
    assert str(get_model("caesura/nano", memoize=False, base_url="http://127.0.0.1:1")) == "caesura/nano"
