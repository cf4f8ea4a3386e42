"""A grammar over the ids of one vocabulary, as llguidance follows it.

Grammars see text tokens alone: markers are no text, and what leaves a phase is added in `constraint.py`.
Enters: a vocabulary's bytes; the text of a grammar. Leaves: matchers. Read next: `grammar.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from caesura.engine.constraint import BitBlock, BitRow, Bits, Ends, GrammarError

# Rules that are followed at the same time; an object's optional properties are the most of them.
_MAX_ITEMS = 10_000
# What the first token may cost the automaton of texts, and each further one: some 20 ms.
_FIRST_FUEL, _STEP_FUEL = 4_000_000, 2_000_000


class TokenMatcher:
    """A `Matcher`."""

    def __init__(self, matcher: LLMatcher, text_bits: Bits) -> None:
        """text_bits: the ids that are text, or named by the grammar."""
        self._matcher = matcher
        self._text_bits = text_bits

    def allow(self, row: BitRow) -> Ends:
        matcher = self._matcher
        matcher.unsafe_compute_mask_ptr(row.address, row.bits.nbytes)
        if matcher.is_error():
            raise GrammarError(_first_line(matcher.get_error()))
        np.bitwise_and(row.bits, self._text_bits, out=row.bits)
        may_end = matcher.is_accepting()
        # What is complete and has no way on is not always called stopped.
        return Ends(may_end, matcher.is_stopped() or (may_end and not row.bits.any()))

    def advance(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            raise GrammarError(_first_line(self._matcher.get_error()))


class TokenGrammar:
    """A `Grammar`."""

    def __init__(self, matcher: LLMatcher, text_bits: Bits) -> None:
        """matcher: at the beginning of a text. text_bits: the ids that are text."""
        self._matcher = matcher
        self._text_bits = text_bits

    def matcher(self) -> TokenMatcher:
        return TokenMatcher(self._matcher.deep_copy(), self._text_bits)


class _NamedTokens:
    """A vocabulary in the shape that llguidance reads: bytes by id, and one token more, which ends a text.

    What is no text gets bytes that no text has, so no grammar can name it.
    """

    bos_token_id = None

    def __init__(self, token_bytes: Sequence[bytes], hidden: Collection[int]) -> None:
        self.tokens = [
            b"\xff%d" % token if token in hidden else piece for token, piece in enumerate(token_bytes)
        ]
        self.eos_token_id = len(self.tokens)
        self.tokens.append(b"\xffend")
        self.special_token_ids = [*sorted(hidden), self.eos_token_id]
        self._bytes = {piece: token for token, piece in enumerate(token_bytes) if len(piece) == 1}

    def __call__(self, text: bytes | str) -> list[int]:
        """Text to ids, byte by byte: nothing here depends on how a text is cut."""
        raw = text.encode() if isinstance(text, str) else text
        return [self._bytes[raw[at : at + 1]] for at in range(len(raw))]


class Vocabulary:
    """Makes grammars over one vocabulary. Sorting a large one takes a second."""

    def __init__(
        self, token_bytes: Sequence[bytes], markers: Collection[int], marks: Collection[int] = ()
    ) -> None:
        """token_bytes: what each id stands for; nothing for special tokens. markers: ids that are no text
        whatever their bytes. marks: those of them that a grammar may name, by `<[id]>`.
        """
        hidden = {token for token, piece in enumerate(token_bytes) if not piece} | {*markers, *marks}
        named = _NamedTokens(token_bytes, hidden)
        self._num_ids = len(token_bytes)
        self._text_bits = _text_bits(self._num_ids, hidden - set(marks))
        self._tokenizer = LLTokenizer(TokenizerWrapper(named))

    def grammar(self, text: str, *, max_lexer_states: int) -> TokenGrammar:
        """The grammar of a text. Raises GrammarError for one that does not even begin."""
        limits = LLParserLimits(
            max_items_in_row=_MAX_ITEMS,
            initial_lexer_fuel=_FIRST_FUEL,
            step_lexer_fuel=_STEP_FUEL,
            max_lexer_states=max_lexer_states,
            verbose_errors=False,
        )
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(text), log_level=0, limits=limits)
        grammar = TokenGrammar(matcher, self._text_bits)
        grammar.matcher().allow(self.row())
        return grammar

    def row(self) -> BitRow:
        """A row of bits for this vocabulary."""
        return BitBlock(1, self._num_ids).rows[0]


def _text_bits(num_ids: int, hidden: Collection[int]) -> Bits:
    row = BitBlock(1, num_ids).rows[0]
    is_text = np.zeros(row.bits.size * 32, dtype=np.uint8)
    is_text[:num_ids] = 1
    is_text[list(hidden)] = 0
    return np.packbits(is_text, bitorder="little").view(np.uint32)


def _first_line(error: str) -> str:
    """What llguidance says, without its list of tokens and its state."""
    return error.splitlines()[0].partition(";")[0] if error else "unknown"
