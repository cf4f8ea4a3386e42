"""What the page's controls do: ask, ask again, stop, clear.

Enters: the values of the controls. Leaves: their updates. Each browser tab keeps its own exchanges, with
thoughts and signatures as they were received. Read next: `ask.py` (controls to request), `follow.py` (the
reply as it comes), `show.py` (how it is drawn).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from caesura.messages.client import Client
from caesura.messages.errors import ApiError
from caesura.web.ask import Mode, Settings, request_for
from caesura.web.controls import Controls
from caesura.web.follow import follow, in_plain_words
from caesura.web.reply import Exchange, Reply
from caesura.web.show import chat_messages

ClientFor = Callable[[str], AbstractAsyncContextManager[Client]]
Exchanges = tuple[Exchange, ...]
# Gradio's own currency: components to values on the way in, to updates on the way out.
Values = dict[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is at the page.

    tab: the browser tab.
    api_key: the key that opened the page; empty where none was asked for.
    """

    tab: str
    api_key: str

    @classmethod
    def of(cls, request: gr.Request) -> Visitor:
        """The visitor whose browser sent this."""
        authorization = str(cast(Mapping[str, str], request.headers).get("authorization", ""))
        return cls(tab=str(request.session_hash), api_key=_basic_password(authorization))


def _basic_password(authorization: str) -> str:
    """The password of HTTP Basic: how a browser carries the key, which is checked where there are keys."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One question with all that goes with it.

    past: the exchanges before it.
    question: the text.
    settings: what the reader chose.
    model: the chosen model; empty for the server's default.
    visitor: who asks.
    """

    past: Exchanges
    question: str
    settings: Settings
    model: str
    visitor: Visitor


class Talk:
    """The behaviour behind the controls; one object serves every browser tab."""

    def __init__(self, client_for: ClientFor, controls: Controls) -> None:
        self._client_for = client_for
        self._controls = controls
        self._stops: dict[str, asyncio.Event] = {}

    async def ask(self, values: Values, request: gr.Request) -> AsyncGenerator[Values]:
        """The question in the box."""
        question = str(values[self._controls.question] or "").strip()
        if question:
            past = cast(Exchanges, values[self._controls.exchanges])
            inquiry = self._inquiry(values, past, question, Visitor.of(request))
            yield {self._controls.question: ""}
            async with aclosing(self._answer(inquiry)) as updates:
                async for update in updates:
                    yield update

    async def ask_again(self, values: Values, request: gr.Request) -> AsyncGenerator[Values]:
        """The last question once more, in place of its reply, with the settings of now."""
        *past, last = cast(Exchanges, values[self._controls.exchanges])
        inquiry = self._inquiry(values, tuple(past), last.question, Visitor.of(request))
        async with aclosing(self._answer(inquiry)) as updates:
            async for update in updates:
                yield update

    def stop(self, request: gr.Request) -> None:
        """End the reply that runs in this tab, if one does; what was said stays."""
        stop = self._stops.pop(str(request.session_hash), None)
        if stop is not None:
            stop.set()

    def leave(self, request: gr.Request) -> None:
        """The tab is gone, and with it the reader of its reply."""
        self.stop(request)

    def clear(self) -> Values:
        """Forget everything that was said in this tab."""
        return self._idle(())

    async def offer_models(self, request: gr.Request) -> tuple[Any, Any]:
        """The models to choose from, if there is a choice; thinking off where the default cannot think."""
        try:
            async with self._client_for(Visitor.of(request).api_key) as client:
                models = await client.models()
        except ApiError:
            # The first question will say what is wrong, where the reader looks.
            return gr.skip(), gr.skip()
        choices = [(model.display_name, model.id) for model in models]
        dropdown = gr.Dropdown(choices, value=choices[0][1], visible=len(choices) > 1)
        return dropdown, gr.skip() if models[0].can_think else "off"

    def _inquiry(self, values: Values, past: Exchanges, question: str, visitor: Visitor) -> Inquiry:
        controls = self._controls
        return Inquiry(
            past=past,
            question=question,
            settings=Settings(
                mode=cast(Mode, values[controls.mode]),
                budget_tokens=_whole(values[controls.budget], "how many tokens it may think"),
                system=str(values[controls.system] or ""),
                temperature=float(values[controls.temperature]),
                answer_tokens=_whole(values[controls.answer_tokens], "how long the answer may be"),
                remembers=bool(values[controls.remembers]),
            ),
            model=str(values[controls.model] or ""),
            visitor=visitor,
        )

    async def _answer(self, inquiry: Inquiry) -> AsyncGenerator[Values]:
        exchanges = (*inquiry.past, Exchange(question=inquiry.question, reply=Reply()))
        yield self._busy(exchanges)
        async with aclosing(self._replies(inquiry, self._begin(inquiry.visitor))) as replies:
            async for reply in replies:
                exchanges = (*inquiry.past, Exchange(question=inquiry.question, reply=reply))
                yield self._drawn(exchanges)
        yield self._idle(exchanges)

    async def _replies(self, inquiry: Inquiry, stop: asyncio.Event) -> AsyncGenerator[Reply]:
        try:
            async with self._client_for(inquiry.visitor.api_key) as client:
                request = request_for(
                    inquiry.settings,
                    model=inquiry.model or (await client.models())[0].id,
                    past=inquiry.past,
                    question=inquiry.question,
                )
                async with aclosing(follow(client, request, stop)) as replies:
                    async for reply in replies:
                        yield reply
        except ApiError as error:
            yield Reply(outcome="failed", error=in_plain_words(error))

    def _begin(self, visitor: Visitor) -> asyncio.Event:
        stop = self._stops[visitor.tab] = asyncio.Event()
        return stop

    def _drawn(self, exchanges: Exchanges) -> Values:
        return {self._controls.exchanges: exchanges, self._controls.chatbot: chat_messages(exchanges)}

    def _busy(self, exchanges: Exchanges) -> Values:
        return {
            **self._drawn(exchanges),
            self._controls.question: gr.Textbox(submit_btn=False, stop_btn="Stop"),
            self._controls.retry: gr.Button(interactive=False),
            self._controls.clear: gr.Button(interactive=False),
        }

    def _idle(self, exchanges: Exchanges) -> Values:
        return {
            **self._drawn(exchanges),
            self._controls.question: gr.Textbox(submit_btn="Send", stop_btn=False),
            self._controls.retry: gr.Button(interactive=bool(exchanges)),
            self._controls.clear: gr.Button(interactive=bool(exchanges)),
        }


def _whole(value: float | None, what: str) -> int:
    if value is None:
        raise gr.Error(f"Enter {what}, as a whole number of tokens.")
    return int(value)
