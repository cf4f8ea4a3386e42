"""What the pages say, held against the code.

Enters: the Markdown pages. Leaves: nothing. Read next: `generated_pages.py`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from starlette.routing import Route

from caesura.engine.local_client import EFFORT_BUDGETS
from caesura.engine.pages import PAGE_SIZE_CPU, PAGE_SIZE_CUDA
from caesura.engine.phases import ANSWER_RESERVE
from caesura.messages.blocks_in import MAX_TITLE_CHARACTERS, UNSUPPORTED_BLOCKS, WireDocument
from caesura.messages.cache_rules import MAX_CACHE_BREAKPOINTS
from caesura.messages.compaction import MAX_QUOTED_CHARACTERS, MAX_SUMMARY_TOKENS
from caesura.messages.context_management import (
    CLEAR_TRIGGER_TOKENS,
    COMPACT_TRIGGER_TOKENS,
    EDIT_TYPES,
    MIN_COMPACT_TRIGGER_TOKENS,
    NUM_KEPT_TOOL_USES,
)
from caesura.messages.conversation_in import ATTRIBUTION_PREFIX
from caesura.messages.document_rules import MAX_CITATIONS
from caesura.messages.documents_in import MAX_DOCUMENT_CHARACTERS
from caesura.messages.errors import HTTP_STATUS, InvalidRequestError
from caesura.messages.images_in import MAX_IMAGE_CHARACTERS, MAX_IMAGE_SIDE_PIXELS, MAX_IMAGES
from caesura.messages.pdf import PdfLimits
from caesura.messages.request import OutputFormat
from caesura.messages.request_rules import MAX_STOP_SEQUENCE_CHARACTERS, MAX_STOP_SEQUENCES
from caesura.messages.response import MissReason, Usage
from caesura.messages.scripted import ScriptedClient
from caesura.messages.tools_in import MAX_TOOLS, WireCustomTool, WireTool
from caesura.messages.typed_tools import TYPED_TOOLS
from caesura.messages.validation import MAX_JSON_VALUES, parse_request
from caesura.messages.wire import usage_json
from caesura.messages.wire_in import MAX_BLOCKS, MAX_MESSAGES, WireRequest
from caesura.recipes import RECIPES
from caesura.server import ServerConfig, create_app
from caesura.server.config import MIB
from caesura.server.energy import EnergyMeter, Zone
from caesura.server.memory_client import MAX_ROUNDS
from caesura.server.memory_folder import MemoryLimits
from caesura.server.memory_paths import MAX_DEPTH, MAX_NAME_BYTES
from caesura.server.metrics import Metrics
from caesura.server.openai_shapes import ChatBody, TextBody, read_shape
from caesura.tokens import CLOSING_TEXT
from tests.generated_pages import PACKAGE, ROOT, cli_reference, file_map, options, verbs

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BODY: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
# Something that each field could hold, where it is ignored or refused.
SAMPLES: dict[str, Any] = {
    "mcp_servers": [{"url": "x"}],
}


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    return read(page).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table(page: str, title: str) -> dict[str, str]:
    """First column, unquoted, to second column."""
    rows = re.findall(r"^\| `(.+?)` \| (.*?) \|", section(page, title), re.MULTILINE)
    return dict(rows)


def name_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_lead_somewhere(page: Path) -> None:
    made_by_commands = {ROOT / "docs/models/nano.md", ROOT / "docs/images/chat.png"}
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            path = (page.parent / target).resolve()
            assert path.exists() or path in made_by_commands, target


def test_the_generated_parts_are_up_to_date() -> None:
    hint = "run `make docs`"
    assert read("docs/cli.md") == cli_reference(), hint
    assert read("ARCHITECTURE.md").endswith(f"\n|---|---|\n{file_map()}"), hint


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_what_the_pages_type_can_be_typed(page: Path) -> None:
    known = verbs()
    text = page.read_text(encoding="utf-8")
    for verb, rest in re.findall(r"(?:bin/|`)caesura ([a-z]+)\b([^`\n#|]*)", text):
        assert verb in known, f"caesura {verb}"
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options(verb), f"caesura {verb}{rest}"
    makefile = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert target in makefile, f"make {target}"


def test_the_readme_lists_every_verb() -> None:
    listed = re.findall(r"^\| `caesura ([a-z]+)` \|", read("README.md"), re.MULTILINE)
    assert sorted(listed) == sorted(verbs())


def test_the_readme_lists_every_room() -> None:
    listed = re.findall(r"^\| `caesura/([a-z]+)` \|", read("README.md"), re.MULTILINE)
    assert set(listed) == {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}


def definitions(path: Path) -> set[str]:
    """Top-level names of a file, and `Class.method`s."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found


def test_every_name_on_the_architecture_page_exists() -> None:
    names = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)(?::([A-Za-z_.]+))?`", read("ARCHITECTURE.md"))
    assert len(names) > 50
    for file, name in names:
        path = ROOT / file if file.startswith("tests/") else PACKAGE / file
        assert path.is_file(), file
        assert not name or name in definitions(path), f"{file}:{name}"


def test_files_that_the_guides_name_exist() -> None:
    for page in PAGES:
        for file in re.findall(r"`((?:caesura|bench|tests)/[a-z_/]+\.py)`", page.read_text(encoding="utf-8")):
            assert (ROOT / file).is_file(), f"{page.name}: {file}"


def test_the_api_page_lists_every_route() -> None:
    routes = (route for route in create_app(ScriptedClient()).router.routes if isinstance(route, Route))
    served = {
        f"{method} {route.path.replace(':path', '')}"
        for route in routes
        for method in (route.methods or set()) - ({"HEAD"} if "GET" in (route.methods or set()) else set())
    }
    assert set(table("docs/api.md", "Routes")) == served


@pytest.mark.parametrize(("title", "shape"), [("Chat fields", ChatBody), ("Text fields", TextBody)])
def test_the_openai_page_lists_every_field(title: str, shape: type[BaseModel]) -> None:
    fates = table("docs/openai.md", title)
    assert set(fates) == set(shape.model_fields)
    is_chat = shape is ChatBody
    least = {"model": "m", **({"messages": BODY["messages"]} if is_chat else {"prompt": "x"})}
    for field, fate in fates.items():
        odd = {**least, field: 7 if field == "thinking" else {"some": "thing"}}
        if fate == "ignored":
            assert read_shape(shape, odd)
        else:
            with pytest.raises(InvalidRequestError, match=rf"^{field}\b"):
                read_shape(shape, odd)


def test_the_metrics_page_lists_every_number(tmp_path: Path) -> None:
    (tmp_path / "energy_uj").write_text("0")
    zone = Zone(name="package-0", file=tmp_path / "energy_uj", max_uj=1)
    page = Metrics(energy=EnergyMeter([zone])).page().decode()
    families = {family.name for family in text_string_to_metric_families(page)}
    own = {name for name in families if name.startswith("caesura_")}
    assert set(table("docs/metrics.md", "The numbers")) == own


def test_the_api_page_lists_every_field() -> None:
    assert set(table("docs/api.md", "Request fields")) == set(WireRequest.model_fields)


@pytest.mark.parametrize(("field", "fate"), table("docs/api.md", "Request fields").items())
def test_a_field_does_what_the_page_says(field: str, fate: str) -> None:
    body = {**BODY, field: SAMPLES.get(field, {"some": "thing"})}
    match fate:
        case "refused":
            with pytest.raises(InvalidRequestError, match=rf"^{field}\b"):
                parse_request(body)
        case "ignored":
            assert parse_request(body) == parse_request(BODY)
        case "checked" | "honoured":
            with pytest.raises(InvalidRequestError, match=rf"^{field}\b"):
                parse_request({**BODY, field: 7.5 if field not in ("temperature", "top_p") else "much"})
        case _:
            raise AssertionError(f"{field} is {fate}, which is not explained on the page")


def test_what_is_checked_changes_nothing_that_is_computed() -> None:
    checked = [name for name, fate in table("docs/api.md", "Request fields").items() if fate == "checked"]
    assert sorted(checked) == ["metadata", "service_tier"]
    asked = parse_request({**BODY, "metadata": {"user_id": "u"}, "service_tier": "auto"})
    assert replace(asked, user_id=None) == parse_request(BODY)


def test_the_api_page_lists_every_block() -> None:
    fates = table("docs/api.md", "Content blocks")
    assert {name for name, fate in fates.items() if fate == "refused"} == UNSUPPORTED_BLOCKS
    assert set(fates) - UNSUPPORTED_BLOCKS == {
        "text",
        "thinking",
        "redacted_thinking",
        "image",
        "document",
        "search_result",
        "tool_use",
        "tool_result",
        "tool_reference",
        "mcp_tool_use",
        "mcp_tool_result",
        "compaction",
    }


TOOL: dict[str, Any] = {"name": "look_up", "input_schema": {"type": "object"}}


def test_the_tools_page_lists_every_field_of_a_tool() -> None:
    fates = table("docs/tools.md", "Tools of your own")
    assert set(fates) == set(WireCustomTool.model_fields)
    for field, fate in fates.items():
        body = {**BODY, "tools": [{**TOOL, field: 7.5}]}
        if fate == "ignored":
            assert parse_request(body).conversation == parse_request({**BODY, "tools": [TOOL]}).conversation
        else:
            with pytest.raises(InvalidRequestError, match=rf"^tools\.0\.(custom\.)?{field}\b"):
                parse_request(body)


def test_the_tools_page_lists_every_type() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| (.*?) ?\|$", section("docs/tools.md", "Types of tools"), re.M
    )
    assert {kind: name for kind, name, _ in rows} == {kind: typed.name for kind, typed in TYPED_TOOLS.items()}
    shapes = {
        kind: shape
        for shape in get_args(get_args(WireTool)[0])
        for kind in get_args(shape.model_fields["type"].annotation)
    }
    for kind, _, fields in rows:
        own = set(shapes[kind].model_fields) - set(shapes["bash_20250124"].model_fields)
        assert set(re.findall(r"`(\w+)`", fields)) == own, kind


def test_the_tools_page_lists_every_form_of_an_answer() -> None:
    kinds = get_args(get_type_hints(OutputFormat)["kind"])
    assert set(table("docs/tools.md", "Answers of a given form")) == set(kinds)


def test_the_documents_page_lists_every_source() -> None:
    fates = table("docs/documents.md", "What can be read")
    shapes = get_args(get_args(WireDocument.model_fields["source"].annotation)[0]) or get_args(
        WireDocument.model_fields["source"].annotation
    )
    kinds = {kind for shape in shapes for kind in get_args(shape.model_fields["type"].annotation)}
    assert set(fates) == kinds | {"search_result"}


def test_the_caching_page_says_what_the_code_does() -> None:
    page = read("docs/caching.md")
    assert f"in pages of {PAGE_SIZE_CPU} tokens ({PAGE_SIZE_CUDA} on a GPU)" in page
    assert f"There may be {MAX_CACHE_BREAKPOINTS} markers" in page
    assert set(table("docs/caching.md", "Why was there no hit?")) == set(get_args(MissReason))
    assert set(table("docs/caching.md", "What is counted")) <= set(usage_json(Usage(input_tokens=1)))


def test_the_context_page_says_what_the_code_does() -> None:
    page = read("docs/context.md")
    assert list(table("docs/context.md", "The edits")) == list(EDIT_TYPES)
    assert f"Without it: {CLEAR_TRIGGER_TOKENS:,} tokens" in page
    assert f"stay as they are, {NUM_KEPT_TOOL_USES} without it" in page
    assert f"at least {MIN_COMPACT_TRIGGER_TOKENS:,}, or a quarter" in page
    assert f"Without it: {COMPACT_TRIGGER_TOKENS:,}, or three quarters" in page
    assert f"at most {MAX_QUOTED_CHARACTERS:,} characters" in page
    assert f"within {MAX_SUMMARY_TOKENS:,} tokens" in page


def test_the_memory_page_says_what_the_code_does() -> None:
    rows = re.findall(
        r"^\| ([a-z ]+) \| ([\d,]+)", section("docs/memory.md", "What is kept, and for whom"), re.M
    )
    limits = MemoryLimits()
    assert {name: int(value.replace(",", "")) for name, value in rows} == {
        "a file": limits.max_file_bytes,
        "all files of a tenant": limits.max_bytes,
        "files and folders of a tenant": limits.max_entries,
        "folders in folders": MAX_DEPTH,
        "a name": MAX_NAME_BYTES,
    }
    assert f"After {MAX_ROUNDS} rounds" in read("docs/memory.md")


def test_the_api_page_lists_every_error() -> None:
    listed = {name: int(status) for name, status in table("docs/api.md", "Errors").items()}
    assert listed == HTTP_STATUS


def test_the_limits_on_the_pages_are_those_of_the_code() -> None:
    api = read("docs/api.md")
    assert f"at most {MAX_MESSAGES:,}, and as many content blocks" in api
    assert MAX_BLOCKS == MAX_MESSAGES
    assert f"at most {MAX_STOP_SEQUENCES}, of at most {MAX_STOP_SEQUENCE_CHARACTERS:,} characters" in api
    assert f"{ServerConfig().max_body_bytes // MIB} MB (413) and {MAX_JSON_VALUES:,} JSON values" in api
    assert f"`{ATTRIBUTION_PREFIX}`" in api
    assert f"at most {MAX_TOOLS:,}; see [tools]" in api
    assert f"of at most {MAX_IMAGE_CHARACTERS // MIB} MB encoded" in api
    assert f"{MAX_IMAGE_SIDE_PIXELS:,} pixels a side, at most {MAX_IMAGES};" in api
    documents = read("docs/documents.md")
    limits = PdfLimits()
    assert f"at most {MAX_TITLE_CHARACTERS} characters) and" in documents
    assert f"at most {MAX_DOCUMENT_CHARACTERS:,} characters." in documents
    assert f"at most {MAX_CITATIONS:,} of them" in documents
    assert f"at most {limits.max_pages} pages together" in documents
    assert (
        f"at most {limits.max_memory_bytes >> 30} GB of memory and {limits.deadline_s:g} seconds" in documents
    )
    assert f"reserve is {ANSWER_RESERVE} tokens" in read("docs/thinking.md")
    assert f"`{CLOSING_TEXT.strip()}`" in read("docs/thinking.md")
    for effort, budget in EFFORT_BUDGETS.items():
        stated = f"{budget:,} tokens" if budget else "as many as `max_tokens` allows"
        assert re.search(
            rf"^\| `{effort}`.*\| {re.escape(stated)} \|$", read("docs/thinking.md"), re.MULTILINE
        )


def test_the_training_page_names_every_recipe() -> None:
    assert all(f"`{name}`" in read("docs/training.md") for name in RECIPES)
