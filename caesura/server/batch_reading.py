"""A batch's body, cut into its requests without being read as a whole.

A body may be large, and a parser that reads all of it at once keeps every other thread waiting. So it is
scanned for brackets and strings, bit by bit, and each request is read by itself.
Enters: the bytes of a body. Leaves: where each request stands in it, and its `custom_id`; or an
`InvalidRequestError` that names the request. Read next: `batches.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from caesura.messages.errors import InvalidRequestError
from caesura.messages.validation import parse_json

MAX_REQUESTS = 100_000
# Brackets and strings: several times what the most requests take.
MAX_TOKENS = 16_000_000

# A text without an end goes on to the end of the body: searched for its end at each of its quotation marks in
# turn, a body of them would take for ever.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_COLON = re.compile(rb"\s*+:")
_BETWEEN = re.compile(rb"\s*+,\s*+")
_BLANK = re.compile(rb"\s*+")
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)


class Entry(NamedTuple):
    """A request of a batch: how its sender calls it, and where in the body it stands."""

    custom_id: str
    start: int
    stop: int


class _Array(NamedTuple):
    """Where the requests stand: between the brackets of the list."""

    start: int
    stop: int
    spans: list[tuple[int, int]]


def read_entries(body: bytes | bytearray) -> list[Entry]:
    """The requests of a batch. Raises InvalidRequestError. It may take seconds, and holds no lock long."""
    array = _checked_array(body)
    _check_gaps(body, array)
    if not array.spans:
        raise InvalidRequestError("requests: List should have at least 1 item after validation, not 0")
    entries: list[Entry] = []
    positions: dict[str, int] = {}
    for index, (start, stop) in enumerate(array.spans):
        custom_id = _custom_id(bytes(body[start:stop]), f"requests.{index}")
        if custom_id in positions:
            raise InvalidRequestError(
                f"requests.{index}.custom_id: `{custom_id}` is that of requests.{positions[custom_id]} too;"
                " each must be unique"
            )
        positions[custom_id] = index
        entries.append(Entry(custom_id, start, stop))
    return entries


def _find_array(body: bytes | bytearray) -> _Array | None:
    """The first list that stands at the top level under the name `requests`."""
    tokens = _tokens(body)
    depth, is_named = 0, False
    for token, _, stop in tokens:
        if token in b"{[":
            depth += 1
            if depth == 2 and is_named and token == b"[":
                return _read_array(tokens, stop)
            is_named = False
        elif token in b"]}":
            depth -= 1
        elif depth == 1:
            is_named = token == b'"requests"' and _COLON.match(body, stop) is not None
    return None


def _tokens(body: bytes | bytearray) -> Iterator[tuple[bytes, int, int]]:
    for number, found in enumerate(_TOKEN.finditer(body)):
        if number == MAX_TOKENS:
            raise InvalidRequestError(
                f"The request body holds more than {MAX_TOKENS:,} JSON values; split the batch"
            )
        # A string's text matters at the top level only, where there are few; it is not copied elsewhere.
        start, stop = found.span()
        token = found.group() if stop - start <= 16 else b'"'
        yield token, start, stop


def _read_array(tokens: Iterator[tuple[bytes, int, int]], start: int) -> _Array:
    spans: list[tuple[int, int]] = []
    depth, begin = 0, start
    for token, at, stop in tokens:
        if token in b"{[":
            begin = at if depth == 0 else begin
            depth += 1
        elif token in b"]}":
            depth -= 1
            if depth < 0:
                return _Array(start, at, spans)
            if depth == 0:
                spans.append((begin, stop))
                _check_count(spans)
    raise InvalidRequestError("The request body is not valid JSON: the list of requests has no end")


def _check_count(spans: list[tuple[int, int]]) -> None:
    if len(spans) > MAX_REQUESTS:
        raise InvalidRequestError(f"requests: List should have at most {MAX_REQUESTS} items after validation")


def _checked_array(body: bytes | bytearray) -> _Array:
    """The list of requests; what stands around it must be an object, and name it once."""
    array = _find_array(body)
    rest = bytes(body) if array is None else bytes(body[: array.start]) + bytes(body[array.stop :])
    fields = parse_json(rest)
    if not isinstance(fields, dict):
        raise InvalidRequestError("The request body must be a JSON object")
    if "requests" not in fields:
        raise InvalidRequestError("requests: Field required")
    if array is None or cast("dict[str, Any]", fields)["requests"] != []:
        raise InvalidRequestError("requests: Input should be a valid list")
    if _num_lists(rest) > 1:
        raise InvalidRequestError("requests: it is there twice; which of them counts cannot be told")
    return array


def _num_lists(body: bytes) -> int:
    """How many members of the outermost object are called `requests`, however that is spelled."""
    # Of a name that comes twice, a parser keeps the last.
    pairs = cast("list[tuple[str, object]]", json.loads(body, object_pairs_hook=list))
    return sum(name == "requests" for name, _ in pairs)


def _check_gaps(body: bytes | bytearray, array: _Array) -> None:
    """Between the requests there are commas and blanks, and nothing else."""
    at = array.start
    for index, (start, stop) in enumerate(array.spans):
        gap = _BETWEEN if index else _BLANK
        if gap.fullmatch(body, at, start) is None:
            raise InvalidRequestError(f"requests.{index}: Input should be a valid dictionary")
        at = stop
    if _BLANK.fullmatch(body, at, array.stop) is None:
        raise InvalidRequestError(f"requests.{len(array.spans)}: Input should be a valid dictionary")


def _custom_id(raw: bytes, path: str) -> str:
    try:
        entry = parse_json(raw)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error.message}") from error
    if not isinstance(entry, dict):
        raise InvalidRequestError(f"{path}: Input should be a valid dictionary")
    fields = cast("dict[str, Any]", entry)
    for name in ("custom_id", "params"):
        if name not in fields:
            raise InvalidRequestError(f"{path}.{name}: Field required")
    custom_id = fields["custom_id"]
    if not isinstance(custom_id, str):
        raise InvalidRequestError(f"{path}.custom_id: Input should be a valid string")
    if not _CUSTOM_ID.fullmatch(custom_id):
        raise InvalidRequestError(f"{path}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if not isinstance(fields["params"], dict):
        raise InvalidRequestError(f"{path}.params: Input should be a valid dictionary")
    return custom_id
