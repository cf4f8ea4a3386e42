"""Written solutions beside sampled ones: for problems that no sibling solved.

A group that fails as a whole teaches nothing by comparison. The family's own reasoning is shown instead, as
fine-tuning would show it, so that hard problems are not passed over. Enters: a problem. Leaves: a `Rollout`
that was written and not drawn. Read next: `grpo.py`.
"""

from __future__ import annotations

from caesura.engine.phases import phase_machine
from caesura.evals.tasks import Problem
from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.rl.rollouts import Rollout
from caesura.tokens import CaesuraFormat


def written(problem: Problem, chat_format: CaesuraFormat, id: str) -> Rollout:
    """The problem's own reasoning and answer. Its log-probabilities are nobody's."""
    blocks = (ThinkingBlock(thinking=problem.thinking), TextBlock(text=problem.reply))
    question = text_turn("user", problem.question)
    asked = chat_format.render(Conversation(turns=(question,)), opening="think").ids
    whole = chat_format.render(
        Conversation(turns=(question, Turn(role="assistant", content=blocks))), opening=None
    ).ids
    reply = whole[len(asked) :]
    machine = phase_machine(chat_format.phase_tokens, budget_tokens=None, max_tokens=2 * len(reply) + 256)
    state, masks = machine.begin("think").state, []
    for token in reply:
        masks.append(machine.mask(state.phase))
        state = machine.advance(state, token).state
    return Rollout(
        id=id,
        mode="enabled",
        budget=len(reply),
        ids=whole,
        prompt_length=len(asked),
        is_sampled=(True,) * len(reply),
        log_probs=(0.0,) * len(reply),
        masks=tuple(masks),
        thinking_tokens=state.num_thinking,
        has_thought=True,
        is_cut=False,
        is_tried=False,
        finish="end",
        text=problem.reply,
    )
