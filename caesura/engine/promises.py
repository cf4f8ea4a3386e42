"""What a request wants of its reply's form, as what the engine holds the reply to.

Enters: a request, and the grammars of a model. Leaves: a `Constraint`; or an `InvalidRequestError` that names
what cannot be promised, before anything is queued. Read next: `constraint.py`, `grammar_sources.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.engine.constraint import FREE, Constraint
from caesura.engine.grammar import GrammarCompiler
from caesura.engine.grammar_sources import GrammarSource, calls_source, citations_source, format_source
from caesura.engine.phases import CallRules
from caesura.engine.token_grammar import TokenGrammar
from caesura.messages.chunks import Source
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import MessagesRequest
from caesura.tokens.call_writing import CallHabits
from caesura.tokens.phase_tokens import PhaseTokens


def check_promises(request: MessagesRequest, tokens: PhaseTokens) -> None:
    """Refuse tools where the model knows no calls, calls that would have no place, and a form for an answer
    that has begun, or that a call could not be told from.
    """
    if request.conversation.tools and not tokens.can_call:
        raise InvalidRequestError(
            "tools: this model cannot call tools: its chat template writes calls in no form that is known, or"
            " its tokenizer does not hold the form's markers; leave the tools out"
        )
    if _wants_call(request) and request.conversation.is_prefilled and not tokens.calls.follow_text:
        raise InvalidRequestError(
            "tool_choice: this model's calls stand at the beginning of a reply, and this one has begun; end"
            " with a user turn"
        )
    if request.output_format is not None and request.conversation.is_prefilled:
        raise InvalidRequestError(
            "output_config.format: an answer that has begun cannot be given a form; end with a user turn"
        )


async def constraint_of(
    request: MessagesRequest,
    grammars: GrammarCompiler | None,
    sources: Sequence[Source],
    habits: CallHabits = CallHabits(),  # noqa: B008 (immutable)
) -> Constraint:
    """The grammars that the reply keeps to. Raises InvalidRequestError for what cannot be enforced.

    grammars: None where no reply is held to one. sources: what the reply may cite. habits: of the model.
    """
    calls, answer = _calls(request, habits), _answer(request, sources)
    _check_told_apart(request, calls, answer, habits)
    if calls is None and answer is None:
        return FREE
    choice = request.tool_choice
    rules = CallRules(
        is_offered=calls is not None,
        is_wanted=calls is not None and _wants_call(request),
        is_parallel=choice.is_parallel and habits.are_parallel,
    )
    if grammars is None:
        return Constraint(calls=rules)

    async def compiled(source: GrammarSource) -> TokenGrammar:
        return await grammars.compiled(replace(source, tenant=request.tenant))

    return Constraint(
        answer=None if answer is None else await compiled(answer),
        call=None if calls is None else await compiled(calls),
        calls=rules,
    )


def _wants_call(request: MessagesRequest) -> bool:
    return bool(request.conversation.tools) and request.tool_choice.mode in ("any", "tool")


def _calls(request: MessagesRequest, habits: CallHabits) -> GrammarSource | None:
    """None too where a text has begun that no call can follow."""
    if request.conversation.is_prefilled and not habits.follow_text:
        return None
    choice, writing = request.tool_choice, habits.writing
    if writing.is_list:
        writing = replace(writing, is_single=not (choice.is_parallel and habits.are_parallel))
    return calls_source(request.conversation.tools, choice, writing)


def _check_told_apart(
    request: MessagesRequest, calls: GrammarSource | None, answer: GrammarSource | None, habits: CallHabits
) -> None:
    """A call without a marker begins like many an answer of a given form; one that is wanted has no rival."""
    if calls is None or answer is None or not habits.bare_starts or _wants_call(request):
        return
    what = "citations" if request.output_format is None else "output_config.format"
    raise InvalidRequestError(
        f"{what}: this model calls tools by a bare JSON object, which an answer under a grammar cannot be"
        " told from; leave the tools out, or say by `tool_choice` whether to call (`any`, `tool`, `none`)"
    )


def _answer(request: MessagesRequest, sources: Sequence[Source]) -> GrammarSource | None:
    if request.output_format is None:
        return citations_source(sources) if sources else None
    if sources:
        raise InvalidRequestError("output_config.format: Citations cannot be enabled with an output format")
    return format_source(request.output_format)
