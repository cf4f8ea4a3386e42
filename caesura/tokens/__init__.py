"""Words: tokenizer, chat format and parser. Read `chat_format.py` first."""

from caesura.tokens.chat_format import (
    CLOSING_TEXT,
    CaesuraFormat,
    ChatFormat,
)
from caesura.tokens.parser import BlockParser
from caesura.tokens.phase_tokens import Opening, PhaseTokens
from caesura.tokens.prompt import Breakpoint, Prompt, Span
from caesura.tokens.replay import parse_conversation
from caesura.tokens.tokenizer import Tokenizer, TokenizerError

__all__ = [
    "CLOSING_TEXT",
    "BlockParser",
    "Breakpoint",
    "CaesuraFormat",
    "ChatFormat",
    "Opening",
    "PhaseTokens",
    "Prompt",
    "Span",
    "Tokenizer",
    "TokenizerError",
    "parse_conversation",
]
