"""What a turn or a tool's result is made of, as JSON: texts, pictures, documents, search results.

Enters: blocks. Leaves: dicts for `json.dumps`. Read next: `wire.py`, which writes everything else.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from caesura.messages.citations import citation_json
from caesura.messages.content import (
    CacheControl,
    ContentParts,
    DocumentBlock,
    ImageBlock,
    PdfPages,
    PlainText,
    ResultPart,
    SearchResultBlock,
    TextBlock,
)

Json = dict[str, Any]

# What other servers are sent in the place of a source that was cleared, so that they number the rest alike.
CLEARED_SOURCE = "[An old source was cleared to save room.]"


def cache_control_json(control: CacheControl | None) -> Json:
    """A cache breakpoint, to be spread into what it stands on."""
    return {} if control is None else {"cache_control": {"type": "ephemeral", "ttl": control.ttl}}


def part_json(block: ResultPart) -> Json:
    """A block that is read, as a turn holds it."""
    match block:
        case DocumentBlock(is_cleared=True):
            return _document_json(replace(block, source=PlainText(text=CLEARED_SOURCE)))
        case SearchResultBlock(is_cleared=True):
            content = (TextBlock(text=CLEARED_SOURCE),)
            return _search_result_json(replace(block, source="cleared", title="Cleared", content=content))
        case TextBlock():
            return _text_json(block)
        case ImageBlock():
            source = _base64_json(block.media_type, block.data)
            return {"type": "image", "source": source, **cache_control_json(block.cache_control)}
        case DocumentBlock():
            return _document_json(block)
        case SearchResultBlock():
            return _search_result_json(block)


def _text_json(block: TextBlock) -> Json:
    citations = [citation_json(citation) for citation in block.citations]
    return {
        "type": "text",
        "text": block.text,
        **({"citations": citations} if citations else {}),
        **cache_control_json(block.cache_control),
    }


def _base64_json(media_type: str, data: bytes) -> Json:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}


def _document_json(block: DocumentBlock) -> Json:
    match block.source:
        case PlainText(text=text):
            source: Json = {"type": "text", "media_type": "text/plain", "data": text}
        case PdfPages(data=data):
            source = _base64_json("application/pdf", data)
        case ContentParts(content=content):
            source = {"type": "content", "content": [part_json(part) for part in content]}
    told = {"title": block.title, "context": block.context}
    return {
        "type": "document",
        "source": source,
        **{name: text for name, text in told.items() if text is not None},
        **({"citations": {"enabled": True}} if block.is_citable else {}),
        **cache_control_json(block.cache_control),
    }


def _search_result_json(block: SearchResultBlock) -> Json:
    return {
        "type": "search_result",
        "source": block.source,
        "title": block.title,
        "content": [part_json(part) for part in block.content],
        **({"citations": {"enabled": True}} if block.is_citable else {}),
        **cache_control_json(block.cache_control),
    }
