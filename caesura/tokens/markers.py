"""The reserved tokens: one for each thing that is structure and not text.

Enters: nothing. Leaves: their names, in id order. Text can never become one of them: it is encoded with
markers switched off. Read next: `tokenizer.py`, `chat_format.py`.
"""

from __future__ import annotations

BEGIN = "<|begin|>"
END = "<|end|>"
SYSTEM = "<|system|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
THINK = "<think>"
END_THINK = "</think>"
TOOL_CALL = "<tool_call>"
END_TOOL_CALL = "</tool_call>"
TOOL_RESULT = "<|tool_result|>"
NEXT = "<|next|>"
PAD = "<|pad|>"
_RESERVED = tuple(f"<|reserved_{number}|>" for number in range(4))

MARKERS: tuple[str, ...] = (
    BEGIN,
    END,
    SYSTEM,
    USER,
    ASSISTANT,
    THINK,
    END_THINK,
    TOOL_CALL,
    END_TOOL_CALL,
    TOOL_RESULT,
    NEXT,
    PAD,
    *_RESERVED,
)
