"""The grammar of an answer that may cite: free text, and parts of it under the chunks that they come from.

The whole answer is one terminal, so it is a finite automaton that follows it: free text holds neither
`<cite` nor `</cite`, cited text neither, and it begins and ends with something to see. Which chunks may be
named depends on how many each source has. Enters: the numbers of chunks. Leaves: the text of a grammar.
Read next: `caesura/messages/cited_text.py`, which reads such an answer, and `grammar_text.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from caesura.messages.chunks import Source
from caesura.messages.cited_text import MAX_MORE, MAX_RANGES

# What Python takes for white space, as an answer is read by it.
_BLANK = "".join(f"\\u{{{code:x}}}" for code in range(0x3001) if chr(code).isspace())
_FREE = "T: FREE\n"
_CITING = """T: (FREE CITED)* FREE
CITED: "<cite " RANGE ("," RANGE){{0,{more}}} ">" WORDS "</cite>"
WORDS: /[^{blank}]((.|\\n)*[^{blank}])?/ & ~MARK
"""
_ALWAYS = """FREE: /(.|\\n)*/ & ~MARK
MARK: /(.|\\n)*<\\/?cite(.|\\n)*/
"""


def counts_text(sources: Sequence[Source]) -> str:
    """What a grammar depends on, as plain text: how many chunks each source has."""
    return json.dumps([len(source.chunks) for source in sources])


def citation_grammar(counts: Sequence[int]) -> str:
    """The grammar for sources with so many chunks."""
    ranges = [line for source, count in enumerate(counts) for line in _source_ranges(source, count)]
    if not ranges:
        return f"start: T\n{_FREE}{_ALWAYS}"
    names = [f"R{source}" for source, count in enumerate(counts) if count]
    citing = _CITING.format(more=MAX_RANGES - 1, blank=_BLANK)
    return "\n".join(["start: T", citing, _ALWAYS, f"RANGE: {' | '.join(names)}", *ranges])


def _source_ranges(source: int, count: int) -> list[str]:
    """The ranges of one source: but for the last few chunks, all may be the first of equally many."""
    if not count:
        return []
    options = [f"(?:{_numbers_below(count - MAX_MORE)})(?:\\+[1-{MAX_MORE}])?"] if count > MAX_MORE else []
    for first in range(max(0, count - MAX_MORE), count):
        more = count - 1 - first
        options.append(f"{first}(?:\\+[1-{more}])?" if more else str(first))
    return [f'R{source}: "{source}:" /{"|".join(options)}/']


def _numbers_below(limit: int) -> str:
    """A regular expression of the numbers from 0 to `limit` - 1, without leading zeros."""
    text = str(limit)
    options = [_shorter(length) for length in range(1, len(text))]
    for at, digit in enumerate(text):
        least = 0 if at or len(text) == 1 else 1
        if int(digit) > least:
            options.append(f"{text[:at]}[{least}-{int(digit) - 1}]{'[0-9]' * (len(text) - at - 1)}")
    return "|".join(options)


def _shorter(length: int) -> str:
    """The numbers of so many digits."""
    return "[0-9]" if length == 1 else "[1-9]" + "[0-9]" * (length - 1)
