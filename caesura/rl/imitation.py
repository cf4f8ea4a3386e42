"""Written solutions beside sampled replies: for problems that siblings failed, and to practise on.

A group that fails as a whole teaches nothing by comparison, and a rare slip teaches slowly. The family's own
reasoning is shown instead, as fine-tuning would show it: thought through, cut where the budget ends and then
answered, or answered at once. Enters: a problem and a condition. Leaves: a `Rollout` that was written and not
drawn. Read next: `grpo.py`.
"""

from __future__ import annotations

from caesura.engine.phases import MaskName, phase_machine
from caesura.evals.tasks import Problem
from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn
from caesura.rl.curriculum import Group
from caesura.rl.rollouts import Rollout
from caesura.tokens import CaesuraFormat, Opening


def written(group: Group, chat_format: CaesuraFormat) -> Rollout:
    """The problem's own reasoning and answer, under the condition of the group's asks; where they leave the
    choice, thought through. Its log-probabilities are nobody's.
    """
    tokens, problem, ask = chat_format.phase_tokens, group.problem, group.asks[0]
    is_thought = ask.mode != "disabled"
    opening: Opening = "think" if is_thought else "answer"
    prompt = chat_format.render(ask.conversation, opening=opening).ids
    whole = _rendered(ask.conversation, problem, chat_format, is_thought=is_thought)
    reply, forced = whole[len(prompt) :], ()
    num_thinking = reply.index(tokens.end_think) if is_thought else 0
    if num_thinking > ask.budget:
        forced = (*tokens.closing, tokens.end_think)
        reply = (*reply[: ask.budget], *forced, *reply[num_thinking + 1 :])
        num_thinking = ask.budget + len(tokens.closing)
    cut_at = len(forced) and ask.budget
    return Rollout(
        id=f"{group.id}/written",
        mode="enabled" if is_thought else "disabled",
        budget=ask.budget,
        ids=(*prompt, *reply),
        prompt_length=len(prompt),
        is_sampled=tuple(not cut_at <= at < cut_at + len(forced) for at in range(len(reply))),
        log_probs=(0.0,) * len(reply),
        masks=_masks(reply, opening, len(forced), cut_at, chat_format),
        thinking_tokens=num_thinking,
        has_thought=is_thought,
        is_cut=bool(forced),
        is_tried=False,
        finish="end",
        text=problem.reply,
    )


def _rendered(
    conversation: Conversation, problem: Problem, chat_format: CaesuraFormat, *, is_thought: bool
) -> tuple[int, ...]:
    thought = (ThinkingBlock(thinking=problem.thinking),) if is_thought else ()
    answered = Turn(role="assistant", content=(*thought, TextBlock(text=problem.reply)))
    return chat_format.render(Conversation(turns=(*conversation.turns, answered)), opening=None).ids


def _masks(
    reply: tuple[int, ...], opening: Opening, num_forced: int, cut_at: int, chat_format: CaesuraFormat
) -> tuple[MaskName, ...]:
    """What could have been drawn in each token's place; the machine forces the same as was written."""
    budget = cut_at if num_forced else None
    machine = phase_machine(chat_format.phase_tokens, budget_tokens=budget, max_tokens=2 * len(reply) + 256)
    state, masks = machine.begin(opening).state, list[MaskName]()
    for at, token in enumerate(reply):
        if num_forced and cut_at <= at < cut_at + num_forced:
            masks.append("think")
            continue
        masks.append(machine.mask(state.phase))
        state = machine.advance(state, token).state
    return tuple(masks)
