"""The page's controls: what is on it, and where.

Enters: nothing. Leaves: the components by name, not yet
wired. Read next: `page.py`, which wires them.
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from caesura.web.ask import MAX_BUDGET_TOKENS, MIN_BUDGET_TOKENS, Settings

EXPLANATION = "One model that answers at once, or pauses to think for as many tokens as you allow."

# What a model of a few million parameters can do, and one thing that only thinking gets right.
EXAMPLES = (
    "What is 23*45?",
    "Boxes 1 to 5 hold A, B, C, D, E. Swap the contents of (1) 1 and 3, (2) 2 and 3. "
    "Which letter is in box 2?",
    'How many times does the letter e occur in "cheese butter bread"?',
    "Hello! Who are you?",
)

MODES = (("Off", "off"), ("Adaptive", "adaptive"), ("N tokens", "budget"))
# One slider step doubles the budget: the difference between 16 and 32 matters as that between 1k and 2k.
NUM_DOUBLINGS = MAX_BUDGET_TOKENS.bit_length() - 1
TOKENS_FROM_STEP = "step => Math.round(2 ** step)"
STEP_FROM_TOKENS = "tokens => Math.round(Math.log2(Math.max(1, tokens)))"

_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Every component that something happens to; `exchanges` is what the tab has talked about."""

    exchanges: gr.State
    chatbot: gr.Chatbot
    question: gr.Textbox
    retry: gr.Button
    clear: gr.Button
    mode: gr.Radio
    budget_row: gr.Row
    steps: gr.Slider
    budget: gr.Number
    model: gr.Dropdown
    system: gr.Textbox
    temperature: gr.Slider
    answer_tokens: gr.Number
    remembers: gr.Checkbox

    @property
    def settings(self) -> tuple[Component, ...]:
        """Those whose values make up a request."""
        sampled = (self.temperature, self.answer_tokens)
        return (self.mode, self.budget, self.model, self.system, *sampled, self.remembers)


def lay_out(*, has_memory: bool) -> Controls:
    """Puts the components on the `gr.Blocks` at hand, top to bottom.

    has_memory: whether the server keeps one, for chats that want it.
    """
    gr.Markdown(f"# Caesura\n{EXPLANATION}", elem_id="title")
    chatbot = _chatbot()
    question = gr.Textbox(
        placeholder="Ask something",
        show_label=False,
        label="Your question",
        submit_btn="Send",
        autofocus=True,
        max_lines=8,
        elem_id="question",
    )
    with gr.Row(elem_id="actions"):
        retry = gr.Button("Retry", size="sm", interactive=False, min_width=80, elem_id="retry")
        clear = gr.Button("Clear", size="sm", interactive=False, min_width=80, elem_id="clear")
    with gr.Row():
        mode = gr.Radio(list(MODES), value=_DEFAULTS.mode, label="Thinking", min_width=300, elem_id="mode")
        budget_row, steps, budget = _budget()
    model, system, temperature, answer_tokens, remembers = _settings(has_memory=has_memory)
    return Controls(
        exchanges=gr.State(()),
        chatbot=chatbot,
        question=question,
        retry=retry,
        clear=clear,
        mode=mode,
        budget_row=budget_row,
        steps=steps,
        budget=budget,
        model=model,
        system=system,
        temperature=temperature,
        answer_tokens=answer_tokens,
        remembers=remembers,
    )


def _chatbot() -> gr.Chatbot:
    return gr.Chatbot(
        show_label=False,
        label="Chat",
        scale=1,
        height="52vh",
        min_height=280,
        layout="bubble",
        buttons=[],
        placeholder="Ask something, or start with one of these:",
        examples=[{"text": example} for example in EXAMPLES],
        elem_id="chat",
    )


def _budget() -> tuple[gr.Row, gr.Slider, gr.Number]:
    with gr.Row(elem_id="budget", scale=1, visible=_DEFAULTS.mode == "budget") as row:
        steps = gr.Slider(
            0,
            NUM_DOUBLINGS,
            value=_DEFAULTS.budget_tokens.bit_length() - 1,
            step=1,
            label="How long it may think",
            buttons=[],
            scale=3,
            min_width=160,
            elem_id="steps",
        )
        budget = gr.Number(
            _DEFAULTS.budget_tokens,
            label="Tokens",
            minimum=MIN_BUDGET_TOKENS,
            maximum=MAX_BUDGET_TOKENS,
            precision=0,
            scale=1,
            min_width=100,
            elem_id="tokens",
        )
    return row, steps, budget


def _settings(*, has_memory: bool) -> tuple[gr.Dropdown, gr.Textbox, gr.Slider, gr.Number, gr.Checkbox]:
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        model = gr.Dropdown([], label="Model", visible=False, elem_id="model")
        system = gr.Textbox(label="System prompt", lines=2, max_lines=8, elem_id="system")
        with gr.Row():
            temperature = gr.Slider(
                0.0,
                1.0,
                value=_DEFAULTS.temperature,
                step=0.05,
                label="Temperature",
                info="Used with thinking off; with thinking it is 1.",
                buttons=[],
                min_width=160,
            )
            answer_tokens = gr.Number(
                _DEFAULTS.answer_tokens,
                label="Longest answer, in tokens",
                info="Room for thinking comes on top.",
                minimum=1,
                precision=0,
                min_width=160,
            )
        remembers = gr.Checkbox(
            value=False,
            label="Memory",
            info="The model may write down, and look up, what outlives this chat. The server keeps it.",
            visible=has_memory,
            elem_id="memory",
        )
    return model, system, temperature, answer_tokens, remembers
