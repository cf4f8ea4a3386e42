"""Random conversations that use everything at once: documents, searches, thoughts, memory, summaries, edits.

Enters: hypothesis. Leaves: bodies that are accepted, and replies. Read next: `test_random_contexts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from caesura.messages.scripted import ScriptedCall, ScriptedReply
from caesura.messages.sealing import Sealer, Thought

SEALER = Sealer(bytes(32))
HIDDEN: dict[str, Any] = {
    "name": "hidden",
    "description": "finds hares",
    "input_schema": {"type": "object"},
    "defer_loading": True,
}
TOOLS: list[Any] = [
    {"type": "memory_20250818", "name": "memory", "executed_by": "server"},
    {"name": "look", "input_schema": {"type": "object"}},
    HIDDEN,
    {**HIDDEN, "name": "other", "description": "finds others"},
]
EDITS = st.tuples(
    st.sampled_from([None, {"type": "clear_thinking_20251015"}]),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([None, False, True]),
    st.booleans(),
)
# Of a window of 2,400.
LEAST_TRIGGER = 600


class _Body:
    """A body as it is drawn, block by block. Every source says something that no other says."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._num_calls = self._num_sources = 0
        self._documents: list[str] = []
        self._found: list[str] = []
        self._citable = draw(st.booleans()), draw(st.booleans())
        self.messages: list[Any] = []

    def user(self, *blocks: Any) -> None:
        sources = [self._source() for _ in range(self._draw(st.integers(0, 2)))]
        text = {"type": "text", "text": self._words("ask")}
        self.messages.append({"role": "user", "content": [*blocks, *sources, text]})

    def loop(self) -> None:
        """One call or two, and their results."""
        uses: list[Any] = []
        results: list[Any] = []
        for _ in range(self._draw(st.integers(1, 2))):
            self._num_calls += 1
            name = f"c{self._num_calls}"
            uses.append({"type": "tool_use", "id": name, "name": "look", "input": {"q": name}})
            content = [self._part() for _ in range(self._draw(st.integers(0, 3)))]
            results.append({"type": "tool_result", "tool_use_id": name, "content": content})
        self.messages += [
            {"role": "assistant", "content": [*self._thought(), *uses]},
            {"role": "user", "content": results},
        ]

    def answer(self) -> None:
        """What the model said: maybe a summary first, maybe a look into the memory, with citations."""
        summary = self._draw(st.sampled_from([None, None, None, None, "", "They talked."]))
        blocks = [] if summary is None else [{"type": "compaction", "content": summary or None}]
        texts = [self._said() for _ in range(self._draw(st.integers(1, 2)))]
        memory = self._looked() if self._draw(st.booleans()) else []
        self.messages.append({"role": "assistant", "content": [*blocks, *self._thought(), *memory, *texts]})

    def _looked(self) -> list[Any]:
        self._num_calls += 1
        name = f"m{self._num_calls}"
        call = {"type": "mcp_tool_use", "id": name, "name": "memory", "server_name": "caesura", "input": {}}
        return [call, {"type": "mcp_tool_result", "tool_use_id": name, "content": self._words("seen")}]

    def _thought(self) -> list[Any]:
        words = self._words("hm")
        seal = SEALER.seal(Thought(model="scripted", thinking=words))
        thought = {"type": "thinking", "thinking": words, "signature": seal}
        return [thought] if self._draw(st.booleans()) else []

    def _words(self, word: str) -> str:
        return " ".join([word] * self._draw(st.sampled_from([1, 20, 150])))

    def _part(self) -> Any:
        kind = self._draw(st.sampled_from(["text", "source", "source", "reference"]))
        match kind:
            case "text":
                return {"type": "text", "text": self._words("result")}
            case "reference":
                return {
                    "type": "tool_reference",
                    "tool_name": self._draw(st.sampled_from(["hidden", "other"])),
                }
            case _:
                return self._source()

    def _source(self) -> Any:
        self._num_sources += 1
        text = f"Source {self._num_sources} says this."
        cites = {"citations": {"enabled": True}}
        if self._draw(st.booleans()):
            self._documents.append(text)
            source = {"type": "text", "media_type": "text/plain", "data": text}
            return {"type": "document", "source": source, **(cites if self._citable[0] else {})}
        self._found.append(text)
        given = {"source": "s", "title": "t", "content": [{"type": "text", "text": text}]}
        return {"type": "search_result", **given, **(cites if self._citable[1] else {})}

    def _said(self) -> Any:
        text = {"type": "text", "text": self._words("so")}
        if self._documents and self._draw(st.booleans()):
            index = self._draw(st.integers(0, len(self._documents) - 1))
            cited = self._documents[index]
            place = {"document_index": index, "document_title": None}
            at = {"start_char_index": 0, "end_char_index": len(cited)}
            return {**text, "citations": [{"type": "char_location", "cited_text": cited, **place, **at}]}
        if self._found and self._draw(st.booleans()):
            index = self._draw(st.integers(0, len(self._found) - 1))
            place = {"search_result_index": index, "source": "s", "title": "t"}
            at = {"start_block_index": 0, "end_block_index": 1, "cited_text": self._found[index]}
            return {**text, "citations": [{"type": "search_result_location", **place, **at}]}
        return text


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies that are accepted, most of them with edits."""
    body = _Body(draw)
    for _ in range(draw(st.integers(0, 3))):
        body.user()
        for _ in range(draw(st.integers(0, 2))):
            body.loop()
        body.answer()
    body.user()
    for _ in range(draw(st.integers(0, 2))):
        body.loop()
    edits = list(_edits(*draw(EDITS)))
    asked: dict[str, Any] = {
        "model": "scripted",
        "max_tokens": 400,
        "messages": body.messages,
        "tools": TOOLS,
    }
    managed = {"context_management": {"edits": edits}} if edits else {}
    return {**asked, "thinking": {"type": "adaptive"}, **managed}


def _edits(thoughts: Any, num_kept: int | None, inputs: bool | None, compacts: bool) -> Iterator[Any]:
    if thoughts is not None:
        yield thoughts
    if num_kept is not None:
        keep = {"type": "tool_uses", "value": num_kept}
        trigger = {"type": "input_tokens", "value": 1}
        clear = {"type": "clear_tool_uses_20250919", "keep": keep, "trigger": trigger}
        yield {**clear, "clear_tool_inputs": bool(inputs)}
    if compacts:
        yield {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": LEAST_TRIGGER}}


_MARKED = st.sampled_from(
    ["so <cite 0:0>it</cite> is", "<cite 1:0>a</cite> <cite 2:0,3:0>b</cite>", "yes", ""]
)
_CALLS = st.sampled_from(
    [
        (),
        (),
        (ScriptedCall(name="memory", input={"command": "view", "path": "/memories"}),),
        (ScriptedCall(name="hidden", input={}),),
    ]
)
replies = st.lists(
    st.builds(ScriptedReply, text=_MARKED, thinking=st.sampled_from(["", "hm"]), calls=_CALLS),
    min_size=3,
    max_size=6,
)
