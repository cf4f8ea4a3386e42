"""Random walks through a grammar, and whether what comes out satisfies the schema.

At each step any of the allowed tokens is taken, those that tend to end a text more often, and more often the
longer the text. The judge is `jsonschema`, formats included. Enters: a grammar; a schema. Leaves: texts;
complaints. Read next: `schemas.py`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, localcontext
from itertools import islice, permutations, product
from typing import Any, cast

import jsonschema
import numpy as np
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from numpy.typing import NDArray

from caesura.engine.constraint import BitBlock, Grammar, GrammarError

_CLOSERS = (b'"', b"}", b"]", b'"}', b'"]', b"}}", b"\n", b"</", b"<", b">", b"/")
_MAX_SPELLINGS = 200
# No double has more before and behind its point together.
_MOST_DIGITS = 1100


class Walker:
    """Writes random texts over one vocabulary, and recognises given ones byte by byte."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        """token_bytes: what each id stands for; each byte has an id of its own."""
        self._pieces = token_bytes
        self._row = BitBlock(1, len(token_bytes)).rows[0]
        self._closers = np.isin(
            np.arange(len(token_bytes)),
            [token for token, piece in enumerate(token_bytes) if piece in _CLOSERS],
        )
        self._bytes = {piece[0]: token for token, piece in enumerate(token_bytes) if len(piece) == 1}

    def write(self, grammar: Grammar, dice: random.Random, *, max_tokens: int = 1500) -> str | None:
        """A random text; None where it did not end in time. Raises GrammarError where nothing can follow."""
        matcher = grammar.matcher()
        written: list[bytes] = []
        for number in range(max_tokens):
            may_end, must_end = matcher.allow(self._row)
            allowed = self._allowed()
            if must_end or (may_end and dice.random() < 0.7):
                return b"".join(written).decode()
            if not allowed.any():
                raise GrammarError(f"nothing follows {b''.join(written)!r}")
            closing = allowed & self._closers
            if closing.any() and dice.random() < min(0.95, 0.3 + number / 60):
                allowed = closing
            token = int(dice.choice(np.flatnonzero(allowed)))
            matcher.advance(token)
            written.append(self._pieces[token])
        return None

    def accepts(self, grammar: Grammar, text: str) -> bool:
        """Whether a text is one of the grammar's."""
        matcher = grammar.matcher()
        try:
            for byte in text.encode("utf-8", "surrogatepass"):
                matcher.advance(self._bytes[byte])
            return matcher.allow(self._row).may
        except GrammarError:
            return False

    def admits(self, grammar: Grammar, value: Any) -> bool:
        """Whether a JSON value is admitted in some order of its properties, of which not all are tried."""
        orders = islice(in_all_orders(value), _MAX_SPELLINGS)
        return any(self.accepts(grammar, json.dumps(each, ensure_ascii=False)) for each in orders)

    def _allowed(self) -> NDArray[np.bool_]:
        bits = np.unpackbits(self._row.bits.view(np.uint8), bitorder="little")
        return bits[: len(self._pieces)].astype(bool)


def in_all_orders(value: Any) -> Iterator[Any]:
    """The same value with its objects' properties in other orders; the order given comes first."""
    match value:
        case dict():
            items = [(name, list(islice(in_all_orders(each), 24))) for name, each in value.items()]
            for order in islice(permutations(items), 120):
                for chosen in islice(product(*(options for _, options in order)), 50):
                    yield dict(zip((name for name, _ in order), chosen, strict=True))
        case list():
            options = (list(islice(in_all_orders(each), 24)) for each in cast(list[Any], value))
            yield from map(list, islice(product(*options), 50))
        case _:
            yield value


def judge(schema: Any) -> Callable[[Any], str | None]:
    """What is wrong with an instance, in one line; None if nothing is.

    The schema is read by the draft that it names, else by the newest whose own schema it satisfies. Numbers
    count as they are written, not as the binary fractions next to them.
    """
    named = validator_for(schema, default=jsonschema.Draft202012Validator)
    drafts = [named, jsonschema.Draft202012Validator, jsonschema.Draft7Validator, jsonschema.Draft4Validator]
    fitting = next((draft for draft in drafts if _fits(draft, schema)), named)
    validator = fitting(_as_written(schema), format_checker=fitting.FORMAT_CHECKER)

    def complaint(instance: Any) -> str | None:
        try:
            with localcontext(prec=_MOST_DIGITS):
                error = next(iter(validator.iter_errors(_as_written(instance))), None)
        except re.error:
            # Python does not read this pattern, so there is no verdict.
            return None
        return None if error is None else f"{'.'.join(map(str, error.schema_path))}: {error.message[:200]}"

    return complaint


def _as_written(value: Any) -> Any:
    """A JSON value whose numbers are exact."""
    match value:
        case float():
            return int(value) if value.is_integer() else Decimal(repr(value))
        case dict():
            return {name: _as_written(each) for name, each in cast(dict[str, Any], value).items()}
        case list():
            return [_as_written(each) for each in cast(list[Any], value)]
        case _:
            return value


def _fits(draft: type[Validator], schema: Any) -> bool:
    try:
        draft.check_schema(schema)
    except jsonschema.SchemaError:
        return False
    return True
