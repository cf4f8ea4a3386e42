"""Generated conversations, hostile text included, for the property tests of the tokens room."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from caesura.messages.content import Block, Conversation, TextBlock, ThinkingBlock, Turn
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.tokens.markers import MARKERS

_PROSE = "The answer is 42. Take 3 apples, add 8 more; what is left?\nStep 1: 7+5=12. naïve café 日本語 🙂\n"


@cache
def chat_format() -> CaesuraFormat:
    """Our format over a byte-level vocabulary with a few hundred merges."""
    return CaesuraFormat(Tokenizer.train([_PROSE * 20, " ".join(MARKERS) * 20], vocab_size=420))


plain_text = st.text(
    alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40
) | st.sampled_from(["The answer is 42.", "Step 1: 7+5=12.\nStep 2", "  two  spaces ", "\r\n\t", "日本語🙂"])
hostile_text = st.lists(st.sampled_from(MARKERS) | plain_text, min_size=1, max_size=5).map("".join)
any_text = plain_text | hostile_text
text_blocks = st.builds(TextBlock, text=any_text)
thinking_blocks = st.builds(ThinkingBlock, thinking=any_text | st.just(""))


def _turns(
    text: st.SearchStrategy[TextBlock], thinking: st.SearchStrategy[ThinkingBlock]
) -> st.SearchStrategy[tuple[Turn, ...]]:
    plain = st.lists(text, min_size=1, max_size=3).map(tuple)
    blocks: st.SearchStrategy[Block] = text | thinking
    reply = st.lists(blocks, min_size=1, max_size=4).map(tuple)
    user = st.builds(Turn, role=st.just("user"), content=plain)
    system = st.builds(Turn, role=st.just("system"), content=plain)
    assistant = st.builds(Turn, role=st.just("assistant"), content=reply)
    # A system turn that comes first is the system prompt itself, so a user turn opens.
    rest = st.lists(user | assistant | system, max_size=5)
    return st.builds(lambda first, more: (first, *more), user, rest)


def conversations(text: st.SearchStrategy[str] = any_text) -> st.SearchStrategy[Conversation]:
    """Conversations whose text comes from `text`."""
    blocks = st.builds(TextBlock, text=text)
    thoughts = st.builds(ThinkingBlock, thinking=text)
    system = st.lists(blocks, max_size=2).map(tuple)
    return st.builds(Conversation, turns=_turns(blocks, thoughts), system=system)
