"""Pictures of a request body, held to their limits before anything decodes them.

Enters: the shape of an image block. Leaves: an `ImageBlock`, or an `InvalidRequestError`. Read next:
`image_header.py`.
"""

from __future__ import annotations

import base64
import binascii

from caesura.messages.blocks_in import WireElsewhere, WireImage
from caesura.messages.content import CacheControl, ImageBlock
from caesura.messages.errors import InvalidRequestError
from caesura.messages.image_header import ImageHeaderError, read_image_header

MAX_IMAGES = 100
MAX_IMAGE_CHARACTERS = 10 * 2**20
MAX_IMAGE_SIDE_PIXELS = 8_000


def image_of(wire: WireImage, path: str, cache_control: CacheControl | None) -> ImageBlock:
    """The picture. path: where the block stands; cache_control: what it is to keep of the block's."""
    source = wire.source
    if isinstance(source, WireElsewhere):
        raise InvalidRequestError(
            f"{path}.image.source.type: `{source.type}` sources are not supported by this server; send the"
            " image itself as `base64`"
        )
    place = f"{path}.image.source.base64"
    data = _decoded(source.data, place)
    _check_header(data, source.media_type, place)
    return ImageBlock(media_type=source.media_type, data=data, cache_control=cache_control)


def _decoded(data: str, place: str) -> bytes:
    if len(data) > MAX_IMAGE_CHARACTERS:
        raise InvalidRequestError(
            f"{place}: image exceeds {MAX_IMAGE_CHARACTERS // 2**20} MB maximum: {len(data)} bytes >"
            f" {MAX_IMAGE_CHARACTERS} bytes"
        )
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError(f"{place}.data: invalid base64 data: {error}") from error


def _check_header(data: bytes, media_type: str, place: str) -> None:
    try:
        header = read_image_header(data)
    except ImageHeaderError as error:
        raise InvalidRequestError(f"{place}.data: Could not process image: {error}") from error
    if header.media_type != media_type:
        raise InvalidRequestError(
            f"{place}.data: The image was specified using the {media_type} media type, but the image appears"
            f" to be a {header.media_type} image"
        )
    if min(header.width, header.height) < 1:
        raise InvalidRequestError(
            f"{place}.data: Could not process image: it is {header.width} x {header.height} pixels"
        )
    if max(header.width, header.height) > MAX_IMAGE_SIDE_PIXELS:
        raise InvalidRequestError(
            f"{place}.data: At least one of the image dimensions exceed max allowed size:"
            f" {MAX_IMAGE_SIDE_PIXELS} pixels; the image is {header.width} x {header.height}"
        )
