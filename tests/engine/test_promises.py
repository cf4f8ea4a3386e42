"""What a request is promised is compiled for its own tenant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.engine.grammar import GrammarCompiler
from caesura.engine.promises import constraint_of
from caesura.messages.content import Conversation, Tool, conversation
from caesura.messages.request import MessagesRequest, OutputFormat
from tests.engine.schemas.texts import PIECES

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
TALK = conversation(("user", "the sum?"))
FORM = OutputFormat(kind="json_schema", schema=SCHEMA)


@pytest.mark.parametrize(
    ("talk", "form"),
    [(TALK, FORM), (replace(TALK, tools=(Tool(name="add", input_schema=SCHEMA),)), None)],
)
async def test_what_was_compiled_for_one_tenant_saves_another_no_work(
    talk: Conversation, form: OutputFormat | None
) -> None:
    reads: list[float] = []

    def counted() -> float:
        reads.append(0.0)
        return 0.0

    compiler = GrammarCompiler(PIECES, clock=counted)

    async def num_reads(tenant: str) -> int:
        before = len(reads)
        request = MessagesRequest(
            model="tiny", max_tokens=10, conversation=talk, output_format=form, tenant=tenant
        )
        await constraint_of(request, compiler, ())
        return len(reads) - before

    first, again = await num_reads("mine"), await num_reads("mine")
    assert again < first
    assert await num_reads("yours") == first
    compiler.close()
