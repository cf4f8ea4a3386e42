"""The families of problems as inspect-ai tasks.

Enters: problems, a condition and the limits. Leaves: a `Task` of data set, generation and grader; and from
its log, `Attempt`s. Read next: `runs.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalSample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageUser,
    ContentReasoning,
    GenerateConfig,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, scorer, stderr
from inspect_ai.solver import TaskState, generate

from caesura.evals.attempts import Attempt, Condition, Posed, at_budget, pose
from caesura.evals.client_model import reply_facts
from caesura.evals.tasks import FILLER, is_correct, stated_answer

# Beyond the budget: the longest answers take under twenty tokens, the forced end of a thought under ten.
ANSWER_TOKENS = 128
DEFAULT_PROBLEMS = 20
DEFAULT_SEEDS = 3


@task
def reasoning(budget: int = 1024, problems: int = DEFAULT_PROBLEMS, seeds: int = DEFAULT_SEEDS) -> Task:
    """All families at one budget; 0 answers at once."""
    return reasoning_task(pose(range(seeds), problems), at_budget(budget))


def reasoning_task(
    problems: Sequence[Posed], condition: Condition, *, closing_text: str = "", temperature: float = 0.0
) -> Task:
    """Problems under a condition.

    closing_text: what ends the filler of "padding", as it ends a thought that ran out of budget.
    temperature: 0 decodes greedily.
    """
    samples = [_sample(posed, condition, closing_text) for posed in problems]
    return Task(
        name=condition.label,
        dataset=MemoryDataset(samples, name="caesura-families"),
        solver=generate(),
        scorer=grader(),
        config=_settings(condition, temperature),
        metadata={"mode": condition.mode, "budget": condition.budget},
    )


def padding_thought(num_tokens: int, closing_text: str) -> str:
    """A thought that says nothing for `num_tokens` tokens, and then ends like one that was cut."""
    return FILLER * num_tokens + closing_text


def max_tokens(condition: Condition) -> int:
    """The decoding limit: room for the whole budget, the forced end and an answer."""
    return ANSWER_TOKENS + {"enabled": condition.budget, "adaptive": 1024}.get(condition.mode, 0)


@scorer(metrics=[accuracy(), stderr()])
def grader() -> Scorer:
    """The families' own exact grader."""

    async def grade(state: TaskState, target: Target) -> Score:
        posed = Posed(**{name: state.metadata[name] for name in ("family", "seed", "index")})
        reply = state.output.completion
        correct = is_correct(posed.problem, reply)
        return Score(value=CORRECT if correct else INCORRECT, answer=stated_answer(reply), explanation=reply)

    return grade


def attempt_of(sample: EvalSample, condition: Condition) -> Attempt:
    """What a finished sample says. Raises ValueError for one that was not graded."""
    if not sample.scores:
        raise ValueError(f"sample {sample.id} was not graded")
    score = next(iter(sample.scores.values()))
    facts = reply_facts(sample.output)
    content = sample.output.choices[0].message.content
    return Attempt(
        family=sample.metadata["family"],
        seed=sample.metadata["seed"],
        index=sample.metadata["index"],
        mode=condition.mode,
        budget=condition.budget,
        is_correct=score.value == CORRECT,
        answer=score.answer or "",
        has_thought=any(isinstance(each, ContentReasoning) for each in content),
        has_answer=bool(sample.output.completion.strip()),
        **facts,
    )


def _sample(posed: Posed, condition: Condition, closing_text: str) -> Sample:
    problem = posed.problem
    messages: list[ChatMessage] = [ChatMessageUser(content=problem.question)]
    if condition.mode == "padding":
        filler = ContentReasoning(reasoning=padding_thought(condition.budget, closing_text))
        messages.append(ChatMessageAssistant(content=[filler]))
    facts = {"family": posed.family, "seed": posed.seed, "index": posed.index}
    return Sample(input=messages, target=problem.answer, id=posed.id, metadata=facts)


def _settings(condition: Condition, temperature: float) -> GenerateConfig:
    return GenerateConfig(
        max_tokens=max_tokens(condition),
        temperature=temperature,
        seed=0,
        reasoning_tokens=condition.budget if condition.mode == "enabled" else None,
        reasoning_effort="medium" if condition.mode == "adaptive" else None,
    )
