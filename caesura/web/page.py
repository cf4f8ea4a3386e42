"""The chat page, mounted on the server's app, and a client of the Messages API like any other.

Enters: a FastAPI app, and a way to a `Client` for an API key. Leaves: the page at `/`. Read next:
`controls.py` (what is on the page), `talk.py` (what each control does), `offline.py` (its bounds).
"""

from __future__ import annotations

import logging
import traceback
from typing import Any, cast

import gradio as gr
from fastapi import FastAPI

from caesura.web.controls import STEP_FROM_TOKENS, TOKENS_FROM_STEP, Controls, lay_out
from caesura.web.look import CSS, theme
from caesura.web.offline import PageMount
from caesura.web.talk import ClientFor, Talk

log = logging.getLogger(__name__)

_POLL_S = 0.05  # what Gradio itself waits on Windows

# For what takes no time: no spinner, no place in the queue behind replies.
_QUICK: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "queue": False,
}


def mount_page(app: FastAPI, client_for: ClientFor, *, has_memory: bool = False) -> None:
    """Puts the page at `/`; call it after every other route is in place, for those come first.

    client_for: from the key that opened the page (empty without one) to a client, entered once a reply.
    has_memory: whether the server keeps a memory, for chats that want it.
    """
    page = build_page(client_for, has_memory=has_memory)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        show_error=True,
        theme=theme(),
        css=CSS,
    )
    # Gradio looks for work a thousand times a second, on the event loop that also streams every reply.
    queue = page._queue  # pyright: ignore[reportPrivateUsage]
    queue.sleep_when_free = queue.progress_update_sleep_when_free = _POLL_S
    mounted = app.router.routes.pop()
    app.router.routes.append(PageMount(cast(Any, mounted).app))


class _Page(gr.Blocks):
    """Gradio's page, which says of a failure where it happened and not what the visitor had sent."""

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return await super().process_api(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:  # the edge: Gradio would print the message, which may quote the visitor
            kind = type(error).__name__
            log.error("the page failed: %s\n%s", kind, "".join(traceback.format_tb(error.__traceback__)))
            message = f"Something unexpected went wrong ({kind}); the log says more."
            raise gr.Error(message, print_exception=False) from None


def build_page(client_for: ClientFor, *, has_memory: bool = False) -> gr.Blocks:
    """The page, laid out and wired."""
    with _Page(title="Caesura", fill_height=True, analytics_enabled=False) as blocks:
        controls = lay_out(has_memory=has_memory)
        talk = Talk(client_for, controls)
        _wire_chat(controls, talk)
        _wire_controls(blocks, controls, talk)
        blocks.unload(talk.leave)
    return blocks


def _wire_chat(controls: Controls, talk: Talk) -> None:
    outputs = [controls.exchanges, controls.chatbot, controls.question, controls.retry, controls.clear]
    replying: dict[str, Any] = {
        "inputs": {controls.exchanges, controls.question, *controls.settings},
        "outputs": outputs,
        "show_progress": "hidden",
        "api_visibility": "private",
        # How many replies run at once is for the server behind the client to say.
        "concurrency_limit": None,
    }
    controls.question.submit(talk.ask, **replying)
    controls.chatbot.example_select(_example, None, controls.question, **_QUICK).then(talk.ask, **replying)
    controls.retry.click(talk.ask_again, **replying)
    controls.question.stop(talk.stop, None, None, **_QUICK)
    controls.clear.click(talk.clear, None, outputs, **_QUICK)


def _wire_controls(blocks: gr.Blocks, controls: Controls, talk: Talk) -> None:
    steps, budget = controls.steps, controls.budget
    steps.input(None, steps, budget, js=TOKENS_FROM_STEP, api_visibility="private")
    budget.input(None, budget, steps, js=STEP_FROM_TOKENS, api_visibility="private")
    controls.mode.change(_budget_row, controls.mode, controls.budget_row, **_QUICK)
    blocks.load(talk.offer_models, None, [controls.model, controls.mode], **_QUICK)


def _example(chosen: gr.SelectData) -> str:
    return str(chosen.value["text"])


def _budget_row(mode: str) -> gr.Row:
    return gr.Row(visible=mode == "budget")
