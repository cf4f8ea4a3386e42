"""What the Python SDK can ask of a server, one function a scenario; runs under whichever version it finds.

A script of its own, in an environment of its own: no test module, and nothing of ours is imported. Enters: a
JSON object with addresses and keys, as the first argument. Leaves: a JSON line a scenario, on standard
output. `scenarios.mjs` is the same for TypeScript. Read next: `matrix.py`, which runs both.
"""

from __future__ import annotations

import json
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, cast

import anthropic
from pydantic import BaseModel

Scenario = Callable[[Any], None]
SAY: Any = [{"role": "user", "content": "Please [[say It is forty two.]]"}]
ASK: Any = {"model": "scripted", "max_tokens": 100, "messages": SAY}
THINK: Any = {"type": "enabled", "budget_tokens": 1024}
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE: Any = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": b64encode(PNG).decode()},
}
ADD: Any = {
    "name": "add",
    "description": "Adds two numbers.",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
}
CALL = '[[call add {"a": 1, "b": 2}]]'


class Absent(Exception):  # noqa: N818 - no fault: this version has no such method
    """The SDK cannot do this."""


class Clients:
    """The SDK's clients of each server."""

    def __init__(self, config: dict[str, str]) -> None:
        self.config = config
        self.scripted: Any = self._client(config["scripted"], config["key"])
        self.nano: Any = self._client(config["nano"], "none-needed")

    def _client(self, url: str, key: str, **options: Any) -> Any:
        return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=300.0, **options)

    def with_key(self, key: str) -> Any:
        return self._client(self.config["scripted"], key)


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def whole_message(clients: Clients) -> None:
    message = clients.scripted.messages.create(**ASK)
    assert (message.type, message.role, message.model) == ("message", "assistant", "scripted")
    assert text_of(message) == "It is forty two."
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens == 4
    assert message._request_id.startswith("req_")


def stream_helper(clients: Clients) -> None:
    with clients.scripted.messages.stream(**ASK) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) == 4
    assert "".join(pieces) == text_of(message) == "It is forty two."
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 4


def raw_stream(clients: Clients) -> None:
    kinds = [event.type for event in clients.scripted.messages.create(**ASK, stream=True)]
    block = ["content_block_start", *["content_block_delta"] * 4, "content_block_stop"]
    assert [kind for kind in kinds if kind != "ping"] == [
        "message_start",
        *block,
        "message_delta",
        "message_stop",
    ]


def thinking_with_a_budget(clients: Clients) -> None:
    asked = {**ASK, "max_tokens": 2048, "thinking": THINK}
    first = clients.scripted.messages.create(**asked)
    thought = first.content[0]
    assert thought.type == "thinking"
    assert thought.thinking
    assert thought.signature
    assert first.usage.output_tokens_details.thinking_tokens == 5
    again = [*SAY, {"role": "assistant", "content": first.content}, *SAY]
    second = clients.scripted.messages.create(**{**asked, "messages": again})
    assert second.content[0].type == "thinking"
    with clients.scripted.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    assert streamed.content[0].signature == thought.signature


def adaptive_thinking(clients: Clients) -> None:
    extra = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    message = clients.scripted.messages.create(**ASK, extra_body=extra)
    assert [block.type for block in message.content] == ["thinking", "text"]


def tools(clients: Clients) -> None:
    asked = {**ASK, "tools": [ADD], "messages": [{"role": "user", "content": CALL}]}
    first = clients.scripted.messages.create(**asked)
    assert first.stop_reason == "tool_use"
    (call,) = first.content
    assert (call.name, call.input) == ("add", {"a": 1, "b": 2})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "3"}
    messages = [
        *asked["messages"],
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    second = clients.scripted.messages.create(**{**asked, "messages": messages})
    assert text_of(second) == "It is done."
    with clients.scripted.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0].input == {"a": 1, "b": 2}


def tool_runner(clients: Clients) -> None:
    messages = clients.scripted.beta.messages
    if not hasattr(messages, "tool_runner") or not hasattr(anthropic, "beta_tool"):
        raise Absent
    called: list[tuple[int, int]] = []

    def add(a: int, b: int) -> str:
        """Adds two numbers."""
        called.append((a, b))
        return str(a + b)

    tool = anthropic.beta_tool(add)
    asked = {**ASK, "messages": [{"role": "user", "content": CALL}]}
    last = messages.tool_runner(**asked, tools=[tool]).until_done()
    assert called == [(1, 2)]
    assert text_of(last) == "It is done."


class Verdict(BaseModel):
    """What nano is asked for: few enough forms that it always ends."""

    is_even: bool


def structured_parse(clients: Clients) -> None:
    if not hasattr(clients.nano.messages, "parse"):
        raise Absent
    question: Any = [{"role": "user", "content": "Is 8 even?"}]
    asked = {"model": "nano", "max_tokens": 200, "messages": question, "output_format": Verdict}
    message = clients.nano.messages.parse(**asked)
    assert isinstance(message.parsed_output.is_even, bool)


def count_tokens(clients: Clients) -> None:
    for client, model in ((clients.scripted, "scripted"), (clients.nano, "nano")):
        asked = {**ASK, "model": model, "max_tokens": 1}
        counted = client.messages.count_tokens(model=model, messages=SAY).input_tokens
        usage = client.messages.create(**asked).usage
        read, made = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
        assert counted == usage.input_tokens + (read or 0) + (made or 0)


def models(clients: Clients) -> None:
    listed = [model.id for model in clients.nano.models.list(limit=1)]
    assert listed == ["nano", "claude-nano"]
    model = clients.nano.models.retrieve("nano")
    assert (model.id, model.type) == ("nano", "model")
    assert model.created_at.year > 2000


def files(clients: Clients) -> None:
    api = getattr(clients.scripted, "files", None) or clients.scripted.beta.files
    sent = api.upload(file=("hare.txt", b"a hare", "text/plain"))
    assert (sent.filename, sent.size_bytes, sent.mime_type) == ("hare.txt", 6, "text/plain")
    assert sent.id in [each.id for each in api.list()]
    found = api.retrieve_metadata(sent.id)
    assert found.id == sent.id
    try:
        (api.download if hasattr(api, "download") else api.content)(sent.id)
        raise AssertionError("what a client has uploaded is not to be downloaded")
    except anthropic.BadRequestError:
        pass
    assert api.delete(sent.id).type == "file_deleted"


def batches(clients: Clients) -> None:
    api = clients.scripted.messages.batches
    requests: Any = [
        {"custom_id": "one", "params": ASK},
        {"custom_id": "two", "params": {"model": "scripted"}},
    ]
    made = api.create(requests=requests)
    assert made.id in [each.id for each in api.list()]
    give_up_at_s = time.monotonic() + 300
    while (batch := api.retrieve(made.id)).processing_status != "ended":
        assert time.monotonic() < give_up_at_s
        time.sleep(0.2)
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (1, 1)
    results = {line.custom_id: line.result for line in api.results(made.id)}
    assert text_of(results["one"].message) == "It is forty two."
    assert results["two"].error.error.type == "invalid_request_error"
    assert api.delete(made.id).type == "message_batch_deleted"
    # So many that it cannot have ended before it is cancelled.
    many = [{**requests[0], "custom_id": f"line-{number}"} for number in range(1000)]
    other = api.create(requests=many)
    assert api.cancel(other.id).processing_status in ("canceling", "ended")


def raised(call: Callable[[], object]) -> Any:
    try:
        call()
    except anthropic.APIStatusError as error:
        return error
    raise AssertionError("no error was raised")


def errors(clients: Clients) -> None:
    create = clients.scripted.messages.create
    said = lambda text: [{"role": "user", "content": text}]  # noqa: E731 - one line of several
    cases: list[tuple[Callable[[], object], type[Exception], int, str]] = [
        (
            lambda: create(**{**ASK, "max_tokens": -1}),
            anthropic.BadRequestError,
            400,
            "invalid_request_error",
        ),
        (
            lambda: clients.with_key("wrong").messages.create(**ASK),
            anthropic.AuthenticationError,
            401,
            "authentication_error",
        ),
        (lambda: create(**{**ASK, "model": "no-such"}), anthropic.NotFoundError, 404, "not_found_error"),
        (
            lambda: create(**{**ASK, "messages": said("x" * 3_000_000)}),
            anthropic.APIStatusError,
            413,
            "request_too_large",
        ),
        (
            lambda: create(**{**ASK, "messages": said("[[raise overloaded]]")}),
            anthropic.APIStatusError,
            529,
            "overloaded_error",
        ),
        (
            lambda: create(**{**ASK, "messages": said("[[raise fault]]")}),
            anthropic.InternalServerError,
            500,
            "api_error",
        ),
    ]
    for call, kind, status, name in cases:
        error: Any = raised(call)
        assert issubclass(type(error), kind), (status, error)
        assert error.status_code == status, error
        assert error.body["error"]["type"] == name
        assert error.response.headers["request-id"].startswith("req_")


def rate_limit(clients: Clients) -> None:
    error = raised(
        lambda: clients.scripted.messages.create(
            **{**ASK, "messages": [{"role": "user", "content": "[[raise rate_limit]]"}]}
        )
    )
    assert isinstance(error, anthropic.RateLimitError)
    assert error.response.headers["retry-after"] == "7"
    poor = clients.with_key(clients.config["poor_key"])
    asked = [lambda: poor.messages.create(**ASK)] * 2
    refused = raised(lambda: [call() for call in asked])
    assert isinstance(refused, anthropic.RateLimitError)
    assert 0 < int(refused.response.headers["retry-after"]) <= 60
    assert refused.response.headers["anthropic-ratelimit-requests-limit"] == "1"


def broken_stream(clients: Clients) -> None:
    asked = {**ASK, "messages": [{"role": "user", "content": "[[break overloaded]]"}]}
    error = raised(lambda: list(clients.scripted.messages.create(**asked, stream=True)))
    assert error.body["error"]["type"] == "overloaded_error"


def prompt_caching(clients: Clients) -> None:
    text = f"Hares at {time.time_ns()}. " + "A hare sits in the grass and looks at the moon. " * 20
    system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    asked = {"model": "nano", "max_tokens": 1, "system": system, "messages": SAY}
    first, second = (clients.nano.messages.create(**asked).usage for _ in range(2))
    assert first.cache_creation_input_tokens > 0
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens
    assert second.cache_read_input_tokens >= first.cache_creation_input_tokens > 0
    sums = [
        usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        for usage in (first, second)
    ]
    assert sums[0] == sums[1]


def prefill(clients: Clients) -> None:
    begun = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "one two three"}]
    message = clients.nano.messages.create(model="nano", max_tokens=4, messages=begun)
    assert message.role == "assistant"
    assert message.stop_reason in ("max_tokens", "end_turn")


def images(clients: Clients) -> None:
    content = [IMAGE, {"type": "text", "text": "[[say I see it.]]"}]
    message = clients.scripted.messages.create(**{**ASK, "messages": [{"role": "user", "content": content}]})
    assert text_of(message) == "I see it."


def stop_sequences(clients: Clients) -> None:
    message = clients.scripted.messages.create(**ASK, stop_sequences=["forty"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "forty")
    assert text_of(message) == "It is "


def system_in_the_middle(clients: Clients) -> None:
    messages = [*SAY, {"role": "system", "content": "Be brief."}]
    asked = {**ASK, "messages": messages}
    assert text_of(clients.scripted.messages.create(**asked)) == "It is forty two."


def beta_namespace(clients: Clients) -> None:
    betas = ["interleaved-thinking-2025-05-14", "unheard-of-2030-01-01"]
    message = clients.scripted.beta.messages.create(**ASK, betas=betas)
    assert text_of(message) == "It is forty two."
    counted = clients.scripted.beta.messages.count_tokens(model="scripted", messages=SAY)
    assert counted.input_tokens > 0


def bearer_token(clients: Clients) -> None:
    url, key = clients.config["scripted"], clients.config["key"]
    client: Any = anthropic.Anthropic(base_url=url, auth_token=key, max_retries=0)
    assert text_of(client.messages.create(**ASK)) == "It is forty two."


def retries(clients: Clients) -> None:
    patient: Any = clients.scripted.with_options(max_retries=1)
    asked = {**ASK, "messages": [{"role": "user", "content": "[[raise overloaded]]"}]}
    error = raised(lambda: patient.messages.create(**asked))
    assert error.status_code == 529
    assert error.request.headers["x-stainless-retry-count"] == "1"


SCENARIOS: dict[str, Scenario] = {
    "whole message": whole_message,
    "stream helper": stream_helper,
    "raw stream": raw_stream,
    "thinking with a budget": thinking_with_a_budget,
    "adaptive thinking, effort": adaptive_thinking,
    "tools": tools,
    "tool runner": tool_runner,
    "structured parse": structured_parse,
    "count tokens": count_tokens,
    "models": models,
    "files": files,
    "batches": batches,
    "errors": errors,
    "rate limits, retry-after": rate_limit,
    "error within a stream": broken_stream,
    "retries": retries,
    "prompt caching": prompt_caching,
    "prefill": prefill,
    "images": images,
    "stop sequences": stop_sequences,
    "system message in the middle": system_in_the_middle,
    "beta namespace": beta_namespace,
    "bearer token": bearer_token,
}


def outcome(scenario: Scenario, clients: Clients) -> dict[str, str]:
    """How a scenario went."""
    try:
        scenario(clients)
    except Absent:
        return {"result": "absent"}
    except Exception as error:
        return {"result": "fails", "detail": f"{type(error).__name__}: {error}"[:500]}
    return {"result": "works"}


def main() -> None:
    """Run them all."""
    clients = Clients(cast("dict[str, str]", json.loads(sys.argv[1])))
    print(json.dumps({"version": anthropic.__version__}), flush=True)
    for name, scenario in SCENARIOS.items():
        print(json.dumps({"scenario": name, **outcome(scenario, clients)}), flush=True)


if __name__ == "__main__":
    main()
