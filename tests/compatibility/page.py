"""docs/compatibility.md: every row's check is carried out, and the page says what it found.

Enters: the rows, and what `make clients` has left. Leaves: the page. Read next: `probe.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.clients.matrix import read_results, table
from tests.compatibility import (
    content,
    context,
    documents,
    engines,
    memory,
    parameters,
    streams,
    surface,
    thinking,
    tools,
)
from tests.compatibility.probe import Probe, Row, probing

HEAD = """# What of the Messages API works here

Made by `make docs` from checks that ask a real server; `tests/compatibility/test_page.py` holds the page
against them. Rows are those of the API as its own clients know it.

- **works**: does what the API says, or what the remark says.
- **refused with 400**: an error that names the field. Where the remark is *as in the API*, that is what
  should happen.
- **ignored**: taken, and without effect.
- **never sent**: clients know it, and no reply of ours has it.

The model behind these checks is scripted, but for those of a full window and of a prompt that was not found
again. What a real model does is in [docs/tools.md](tools.md), [docs/thinking.md](thinking.md),
[docs/documents.md](documents.md) and [docs/models](models); [docs/api.md](api.md) says more of each field.
"""
CLIENTS = """
## Clients

Made by `make clients`, which installs each client at a version of its own and runs it against
`caesura serve` with nano, and against the scripted model where nano cannot. `absent`: the client has no such
method.

"""


class Section(NamedTuple):
    """A table of the page."""

    title: str
    rows: Sequence[Row]


SECTIONS = (
    Section("Endpoints and models", surface.ENDPOINTS),
    Section("Batches", surface.BATCHES),
    Section("Files", surface.FILES),
    Section("Parameters", parameters.PARAMETERS),
    Section("Content blocks", content.BLOCKS),
    Section("Thinking", thinking.THINKING),
    Section("Tools", tools.DEFINITIONS),
    Section("Types of tools", tools.TYPES),
    Section("Choice, calls and results", tools.CHOICE),
    Section("Prompt caching", [*parameters.CACHING, engines.DIAGNOSED]),
    Section("Answers of a given form", parameters.FORMS),
    Section("Citations", documents.CITATIONS),
    Section("Context management", context.CONTEXT),
    Section("Memory", memory.MEMORIES),
    Section("Stop reasons", streams.ENDINGS),
    Section("Streams", [*streams.EVENTS, streams.PING]),
    Section("Errors", streams.ERRORS),
    Section("Headers", streams.HEADERS),
)


async def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory(prefix="caesura-probe-") as folder:
        async with probing(Path(folder)) as probe:
            sections = [await _section(probe, each) for each in SECTIONS]
    return HEAD + "".join(sections) + CLIENTS + _clients()


async def _section(probe: Probe, section: Section) -> str:
    lines = [f"| {row.name} | {await row.check(probe)} | {row.remark} |\n" for row in section.rows]
    return f"\n## {section.title}\n\n| what | here | remark |\n|---|---|---|\n{''.join(lines)}"


def _clients() -> str:
    """The kits in one table, what agents were seen to do in another."""
    found = read_results()
    kits = [each for each in found if "SDK" in each["client"]]
    agents = [each for each in found if "SDK" not in each["client"]]
    text = table(kits) + "\n| agent | scenario | result | seen |\n|---|---|---|---|\n"
    for each in agents:
        for line in each["scenarios"]:
            name = f"{each['client']} {each['version']}"
            text += f"| {name} | {line['scenario']} | {line['result']} | {line.get('detail', '')} |\n"
    return text
