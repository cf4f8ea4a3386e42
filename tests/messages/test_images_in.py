"""Pictures of a request body are held to their limits unread."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.messages.content import CacheControl, ImageBlock, ToolResultBlock
from caesura.messages.errors import InvalidRequestError
from caesura.messages.images_in import MAX_IMAGE_CHARACTERS
from caesura.messages.validation import parse_request
from tests.messages.pictures import PICTURES, image, png

CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}


def body(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(blocks)}]}


def answered(*results: dict[str, Any]) -> dict[str, Any]:
    """A body in which a call is answered with these blocks."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": list(results)}
    turns = [("user", "hi"), ("assistant", [CALL]), ("user", [result])]
    return {**body(), "messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_read(kind: str) -> None:
    media_type, make = PICTURES[kind]
    data = make(8000, 8000)
    request = parse_request(body(image(data, media_type, cache_control={"type": "ephemeral"})))
    assert request.conversation.turns[0].content == (
        ImageBlock(media_type=media_type, data=data, cache_control=CacheControl()),  # type: ignore[arg-type]
    )


def test_a_result_may_hold_pictures() -> None:
    result = parse_request(answered(image(png(3, 3)))).conversation.turns[2].content[0]
    assert isinstance(result, ToolResultBlock)
    assert result.content == (ImageBlock(media_type="image/png", data=png(3, 3)),)


def source(**fields: Any) -> dict[str, Any]:
    return {"type": "image", "source": {**image(png(3, 3))["source"], **fields}}


PLACE = "messages.0.content.0.image.source"
ELSEWHERE = "sources are not supported by this server; send the image itself as `base64`"
TOO_LARGE = "At least one of the image dimensions exceed max allowed size: 8000 pixels; the image is"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (image(png(8001, 1)), f"{PLACE}.base64.data: {TOO_LARGE} 8001 x 1"),
        (image(png(1, 2**31)), f"{PLACE}.base64.data: {TOO_LARGE} 1 x 2147483648"),
        (image(png(0, 1)), f"{PLACE}.base64.data: Could not process image: it is 0 x 1 pixels"),
        (
            image(png(1, 1), "image/gif"),
            f"{PLACE}.base64.data: The image was specified using the image/gif media type, but the image"
            " appears to be a image/png image",
        ),
        (
            source(data="A" * (MAX_IMAGE_CHARACTERS + 4)),
            f"{PLACE}.base64: image exceeds 10 MB maximum: 10485764 bytes > 10485760 bytes",
        ),
        (
            source(media_type="image/bmp"),
            f"{PLACE}.base64.media_type: Input should be 'image/png', 'image/jpeg', 'image/gif' or"
            " 'image/webp'",
        ),
        (source(data=7), f"{PLACE}.base64.data: Input should be a valid string"),
        (
            source(data=""),
            f"{PLACE}.base64.data: Could not process image: the data is no PNG, JPEG, GIF or WebP file",
        ),
        ({"type": "image"}, f"{PLACE}: Field required"),
        ({"type": "image", "source": {}}, f"{PLACE}.type: Field required"),
        (
            {"type": "image", "source": {"type": "url", "url": "http://169.254.169.254/"}},
            f"{PLACE}.type: `url` {ELSEWHERE}",
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "../key"}},
            f"{PLACE}.type: `file` {ELSEWHERE}",
        ),
    ],
)
def test_a_bad_picture_is_refused_by_name(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(body(bad))
    assert refused.value.message == message


@pytest.mark.parametrize("data", ["AAA", "!!!!", "AA==AA==", "iVBO\nRw0K", "\u00e9\u00e9\u00e9\u00e9"])
def test_what_is_no_base64_is_refused(data: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"base64\.data: invalid base64 data"):
        parse_request(body(source(data=data)))


def test_a_picture_in_a_result_is_held_to_the_same_limits() -> None:
    place = r"^messages\.2\.content\.0\.tool_result\.content\.1\.image\.source\.base64\.data: At least"
    with pytest.raises(InvalidRequestError, match=place):
        parse_request(answered(image(png(1, 1)), image(png(9000, 1))))


def test_there_are_at_most_a_hundred_pictures_those_in_results_counted() -> None:
    hundred = [image(png(1, 1))] * 100
    assert len(parse_request(body(*hundred)).conversation.turns[0].content) == 100
    assert parse_request(answered(*hundred)).model == "m"
    too_many = answered(*hundred)
    too_many["messages"][0]["content"] = [image(png(1, 1))]
    with pytest.raises(InvalidRequestError, match="0 document pages \\+ 101 images > 100 maximum"):
        parse_request(too_many)


@pytest.mark.parametrize("role", ["assistant", "system"])
def test_only_users_send_pictures(role: str) -> None:
    sent = body()
    sent["messages"] = [{"role": "user", "content": "hi"}, {"role": role, "content": [image(png(1, 1))]}]
    with pytest.raises(
        InvalidRequestError, match=r"messages\.1\.content\.0\.type: `image` blocks are only allowed in `user`"
    ):
        parse_request(sent)
