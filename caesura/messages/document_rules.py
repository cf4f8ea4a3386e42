"""The rules of a request body's documents and search results.

Enters: a body whose shape is right. Leaves: nothing, or an `InvalidRequestError`. Read next:
`request_rules.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from caesura.messages.blocks_in import WireDocument, WireParts, WireSearchResult, WireText
from caesura.messages.documents_in import Pdfs, documents_in, is_citable
from caesura.messages.errors import InvalidRequestError
from caesura.messages.pdf import PdfLimits
from caesura.messages.wire_in import WireCountRequest, WireMessage

MAX_CITATIONS = 5_000

_NOUNS = {"document": "documents", "search_result": "search results"}


def check_documents(
    body: WireCountRequest, messages: Sequence[WireMessage], *, has_inner_citations: bool
) -> None:
    """Citations are switched on for all or for none, and leave no room for a form of the answer.

    messages: those that count. has_inner_citations: whether the dialect knows `citations` on the text that
        documents and search results are made of.
    """
    switched: dict[str, bool] = {}
    for path, block in documents_in(messages):
        is_on = is_citable(block)
        if switched.setdefault(block.type, is_on) != is_on:
            raise InvalidRequestError(
                f"{path}.{block.type}.citations.enabled: citations must be enabled on all or none of the"
                f" {_NOUNS[block.type]} within a request"
            )
        if not has_inner_citations:
            _check_no_citations(path, block)
    if any(switched.values()) and any(body.formats):
        raise InvalidRequestError(
            "output_config.format: Citations cannot be enabled when an output format is set; leave the format"
            " out, or set `citations.enabled` to false"
        )


def _check_no_citations(path: str, block: WireDocument | WireSearchResult) -> None:
    if isinstance(block, WireSearchResult):
        place, parts = f"{path}.search_result.content", block.content
    elif isinstance(block.source, WireParts):
        place, parts = f"{path}.document.source.content.content", block.source.content
    else:
        return
    for position, part in enumerate(parts):
        if isinstance(part, WireText) and part.citations:
            raise InvalidRequestError(f"{place}.{position}.citations: Extra inputs are not permitted")


def check_num_citations(messages: Sequence[WireMessage]) -> None:
    """Each citation that comes back is looked up."""
    blocks = (block for message in messages for block in message.content)
    num_citations = sum(len(block.citations or ()) for block in blocks if isinstance(block, WireText))
    if num_citations > MAX_CITATIONS:
        raise InvalidRequestError(
            f"messages: {num_citations} citations > {MAX_CITATIONS} maximum; shorten the conversation"
        )


def check_num_pages(pdfs: Pdfs, num_images: int, limits: PdfLimits) -> None:
    """Pages count as the pictures do."""
    num_pages = sum(len(pdf.pages) for pdf in pdfs.values())
    if pdfs and num_pages + num_images > limits.max_pages:
        raise InvalidRequestError(
            f"messages: too much media: {num_pages} document pages + {num_images} images > {limits.max_pages}"
            " maximum"
        )
