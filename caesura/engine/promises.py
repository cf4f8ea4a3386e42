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
from caesura.tokens.phase_tokens import PhaseTokens


def check_promises(request: MessagesRequest, tokens: PhaseTokens) -> None:
    """Refuse tools where the model knows no calls, and a form for an answer that has begun."""
    if request.conversation.tools and None in (tokens.tool_call, tokens.end_tool_call):
        raise InvalidRequestError(
            "tools: this model cannot call tools: its tokenizer has no tokens that open and close a call, or"
            " its chat template writes calls in another form than JSON between them; leave the tools out"
        )
    if request.output_format is not None and request.conversation.is_prefilled:
        raise InvalidRequestError(
            "output_config.format: an answer that has begun cannot be given a form; end with a user turn"
        )


async def constraint_of(
    request: MessagesRequest, grammars: GrammarCompiler | None, sources: Sequence[Source]
) -> Constraint:
    """The grammars that the reply keeps to. Raises InvalidRequestError for what cannot be enforced.

    grammars: None where no reply is held to one. sources: what the reply may cite.
    """
    calls, answer = calls_source(request.conversation.tools, request.tool_choice), _answer(request, sources)
    if calls is None and answer is None:
        return FREE
    choice = request.tool_choice
    rules = CallRules(
        is_offered=calls is not None,
        is_wanted=calls is not None and choice.mode in ("any", "tool"),
        is_parallel=choice.is_parallel,
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


def _answer(request: MessagesRequest, sources: Sequence[Source]) -> GrammarSource | None:
    if request.output_format is None:
        return citations_source(sources) if sources else None
    if sources:
        raise InvalidRequestError("output_config.format: Citations cannot be enabled with an output format")
    return format_source(request.output_format)
