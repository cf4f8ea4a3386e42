"""Bodies of batches, cut into requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.errors import InvalidRequestError
from caesura.server.batch_reading import MAX_REQUESTS, read_entries

PARAMS: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": 'a "quote" and a \\ and a }'}],
}


def body_of(*requests: object, **fields: object) -> bytes:
    return json.dumps({"requests": requests, **fields}).encode()


def request(custom_id: str, **params: object) -> dict[str, Any]:
    return {"custom_id": custom_id, "params": {**PARAMS, **params}}


def test_requests_are_found_where_they_stand() -> None:
    body = body_of(request("a"), request("b", stop_sequences=["]", "}", '"', "\\"]))
    entries = read_entries(body)
    assert [entry.custom_id for entry in entries] == ["a", "b"]
    assert json.loads(body[entries[1].start : entries[1].stop]) == request(
        "b", stop_sequences=["]", "}", '"', "\\"]
    )


def test_what_else_the_body_says_does_not_matter() -> None:
    before = b'{"x": {"requests": [1]}, "y": ["requests"], "requests" : [ '
    body = before + json.dumps(request("a")).encode() + b' \n] , "z": "requests"}'
    assert [entry.custom_id for entry in read_entries(bytearray(body))] == ["a"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=4)


@settings(deadline=None)
@given(
    st.lists(OBJECTS, min_size=1, max_size=6),
    st.dictionaries(st.text(max_size=5), JSON, max_size=2),
    st.booleans(),
)
def test_whatever_a_request_says_it_is_found_whole(
    params: list[dict[str, Any]], around: dict[str, Any], is_ascii: bool
) -> None:
    requests = [{"custom_id": f"r{index}", "params": each} for index, each in enumerate(params)]
    around.pop("requests", None)
    text = json.dumps({**around, "requests": requests, "after": around}, ensure_ascii=is_ascii, indent=1)
    body = text.encode("utf-8", "replace")
    found = [json.loads(body[entry.start : entry.stop]) for entry in read_entries(body)]
    assert found == json.loads(body)["requests"]


@settings(deadline=None)
@given(
    st.text(alphabet='{}[]",:\\ ae1requests', max_size=60)
    | st.binary(max_size=40).map(lambda b: b.decode("latin-1"))
)
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    body = text.encode("utf-8")
    try:
        entries = read_entries(body)
    except InvalidRequestError:
        return
    assert len(entries) == len(json.loads(body)["requests"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"[]", "The request body must be a JSON object"),
        (b'"requests"', "The request body must be a JSON object"),
        (b"{}", "requests: Field required"),
        (b'{"requests": {}}', "requests: Input should be a valid list"),
        (b'{"requests": null}', "requests: Input should be a valid list"),
        (b'{"requests": []}', "requests: List should have at least 1 item"),
        (b'{"requests": [1]}', "requests.0: Input should be a valid dictionary"),
        (b'{"requests": ["x"]}', "requests.0: Input should be a valid dictionary"),
        (b'{"requests": [[]]}', "requests.0: Input should be a valid dictionary"),
        (b'{"requests": [{}]}', "requests.0.custom_id: Field required"),
        (b'{"requests": [{"custom_id": "a"}]}', "requests.0.params: Field required"),
        (
            b'{"requests": [{"custom_id": 1, "params": {}}]}',
            "requests.0.custom_id: Input should be a valid string",
        ),
        (b'{"requests": [{"custom_id": "a b", "params": {}}]}', "requests.0.custom_id: String should match"),
        (b'{"requests": [{"custom_id": "a\\n", "params": {}}]}', "requests.0.custom_id: String should match"),
        (b'{"requests": [{"custom_id": "", "params": {}}]}', "requests.0.custom_id: String should match"),
        (b'{"requests": [{"custom_id": "a", "params": []}]}', "requests.0.params: Input should be a valid"),
        (b'{"requests": [{"custom_id": "a", "params": {}}', "not valid JSON"),
        (b'{"requests": [{"custom_id": "a", "params": {}},]}', "requests.1: Input should be"),
        (
            b'{"requests": [{"custom_id": "a", "params": {}} {"custom_id": "b", "params": {}}]}',
            "requests.1: ",
        ),
        (
            b'{"requests": [{"custom_id": "a", "params": {]}]}',
            "requests.0: The request body is not valid JSON",
        ),
        (b'{"requests": [{"custom_id": "a", "params": {"x": \xff}}]}', "requests.0: "),
        (b'{"requests": [{"custom_id": "a", "params": {}}], "requests": [1]}', "requests: Input should be"),
    ],
)
def test_what_is_no_batch_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_entries(body)
    assert message in caught.value.message


def test_a_custom_id_is_used_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_entries(body_of(request("a"), request("b"), request("a")))
    assert caught.value.message.startswith("requests.2.custom_id: `a` is that of requests.0 too")


def test_a_batch_holds_so_many_requests_and_no_more() -> None:
    def many(number: int) -> bytes:
        rows = ",".join(f'{{"custom_id":"r{index}","params":{{}}}}' for index in range(number))
        return f'{{"requests":[{rows}]}}'.encode()

    entries = read_entries(many(MAX_REQUESTS))
    assert (len(entries), entries[-1].custom_id) == (MAX_REQUESTS, f"r{MAX_REQUESTS - 1}")
    with pytest.raises(InvalidRequestError, match=f"requests: List should have at most {MAX_REQUESTS} items"):
        read_entries(many(MAX_REQUESTS + 1))
