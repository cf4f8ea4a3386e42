"""From the files that the public sources publish to the rows that the recipes read.

Enters: the raw files of one data set, by repository and path. Leaves: rows as dictionaries, in the
same shape as `sets.py` opens them. What a converter leaves out is said in its docstring.
Read next: `fetch.py`, which calls them.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, cast

import yaml

from caesura.messages.errors import DataError

Files = Mapping[str, bytes]
Row = dict[str, Any]
Converter = Callable[[Files], Iterator[Row]]

_MAX_SECTION_CHARS = 6_000
_HEADING = re.compile(r"^#+\s*(.+?)\s*$")
_SLUR = re.compile(r"\b(nigg|darky|darkies|chinam[ae]n|kaffir|injun|pickaninn)\w*", re.IGNORECASE)
_TAG = re.compile(r"<[^>]+>")
_SPACES = re.compile(r"\s+")
_SPEAKER = re.compile(r"^User ([12]):\s*(.*)$")
_PAGE = re.compile(r"^P\d+\t(.*)$")
_LEFT_OUT_TOPICS = frozenset({"gossip", "politics"})
_PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "s": "adjective", "r": "adverb"}


def remainder(key: str, modulus: int) -> int:
    """SHA-256's first four bytes, big-endian, modulo: the rule that splits the public sets."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % modulus


def _csv_rows(content: bytes) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header."""
    yield from csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))


def _field(row: Mapping[str, str], field: str, path: str) -> str:
    """A column that has to be there."""
    if field not in row:
        raise DataError(f"{path}: no column {field!r}; there are: {', '.join(row)}")
    return row[field]


def developer_half(text_field: str, rename: Mapping[str, str]) -> Converter:
    """A CSV of prompts, cut to the half that may be trained on (first byte of SHA-256 even).

    The rows that are near-duplicates of the other half are kept; the distributed set drops them.
    """

    def convert(files: Files) -> Iterator[Row]:
        for path, content in files.items():
            for row in _csv_rows(content):
                key = _field(row, text_field, path).strip().lower()
                if hashlib.sha256(key.encode()).digest()[0] % 2 == 0:
                    yield {new: row.get(old, "") for old, new in rename.items()} if rename else dict(row)

    return convert


def csv_table(files: Files) -> Iterator[Row]:
    """A CSV as it is."""
    for content in files.values():
        yield from _csv_rows(content)


def persona_dialogues(files: Files) -> Iterator[Row]:
    """Two personas and their dialogue; a twentieth by hash is held out."""
    for path, content in files.items():
        part = PurePosixPath(path).stem.rsplit("_", 1)[-1]
        for number, row in enumerate(_csv_rows(content), start=1):
            row_id = f"spc-{part}-{number}"
            lines = _field(row, "Best Generated Conversation", path).splitlines()
            spoken = [match for line in lines if (match := _SPEAKER.match(line))]
            if spoken and remainder(row_id, 20) != 0:
                yield {
                    "id": row_id,
                    "persona1": _field(row, "user 1 personas", path).splitlines(),
                    "persona2": _field(row, "user 2 personas", path).splitlines(),
                    "turns": [{"speaker": int(match[1]), "text": match[2]} for match in spoken],
                }


def small_talk(files: Files) -> Iterator[Row]:
    """YAML conversations by topic, without gossip and politics."""
    for path, content in sorted(files.items()):
        topic = PurePosixPath(path).stem
        if topic in _LEFT_OUT_TOPICS:
            continue
        for number, turns in enumerate(_yaml(path, content).get("conversations") or []):
            yield {"id": f"{topic}-{number}", "category": topic, "turns": [str(turn) for turn in turns]}


def _yaml(path: str, content: bytes) -> dict[str, Any]:
    """A YAML mapping, read without executing anything."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loaded: object = yaml.load(content, Loader=loader)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise DataError(f"{path}: a YAML mapping is expected, not {type(loaded).__name__}")
    return cast(dict[str, Any], loaded)


def synsets(files: Files) -> Iterator[Row]:
    """WordNet's synsets, with the first word of each hypernym."""
    tables = {path: _yaml(path, content) for path, content in sorted(files.items())}
    first_words = {key: _words(synset)[:1] for table in tables.values() for key, synset in table.items()}
    for path, table in tables.items():
        topic = PurePosixPath(path).stem.partition(".")[2]
        for key, synset in table.items():
            yield {
                "id": key,
                "pos": _PARTS_OF_SPEECH[key[-1]],
                "topic": topic,
                "words": _words(synset),
                "definition": "; ".join(synset.get("definition") or synset.get("definitions") or []),
                "examples": [_example(example) for example in synset.get("example") or []],
                "is_a": [
                    word for above in synset.get("hypernym") or [] for word in first_words.get(above, [])
                ],
            }


def _words(synset: Mapping[str, Any]) -> list[str]:
    """The members of a synset."""
    return [str(word) for word in synset.get("members") or synset.get("entries") or []]


def _example(example: object) -> str:
    """An example, which is a text or a text with its source."""
    text = cast(dict[str, str], example).get("text", "") if isinstance(example, dict) else str(example)
    return text.strip('"')


def word_lists(files: Files) -> Iterator[Row]:
    """JSON lists, named by their path."""
    for path, content in files.items():
        list_id = path.partition("/data/")[2].removesuffix(".json")
        yield {"id": list_id, "data": json.loads(content)}


def country_pages(files: Files) -> Iterator[Row]:
    """Factbook pages, one a country, with their fields flattened and their HTML stripped."""
    for path, content in sorted(files.items()):
        region, code = PurePosixPath(path).parts[-2:]
        page = cast(dict[str, dict[str, Any]], json.loads(content))
        facts = {section: dict(_flat(fields)) for section, fields in page.items()}
        names = facts.get("Government", {})
        short, long = (
            names.get(f"Country name - conventional {form} form", "none") for form in ("short", "long")
        )
        yield {
            "id": f"{region}/{code.removesuffix('.json')}",
            "country": next((name for name in (short, long) if name not in ("none", "")), f"{region}/{code}"),
            "region": region,
            "facts": facts,
        }


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`{field: {part: {text}}}` as `field - part` and text."""
    for name, value in fields.items():
        if isinstance(value, dict) and "text" in value:
            yield name, _stripped(str(cast(dict[str, Any], value)["text"]))
        elif isinstance(value, dict):
            for part, inner in cast(dict[str, Any], value).items():
                if isinstance(inner, dict) and "text" in inner:
                    yield f"{name} - {part}", _stripped(str(cast(dict[str, Any], inner)["text"]))


def _stripped(text: str) -> str:
    """The text without its HTML."""
    return _SPACES.sub(" ", html.unescape(_TAG.sub(" ", text))).strip()


def book_sections(tier: str) -> Converter:
    """Books in Markdown, cut into sections; paragraphs with slurs are left out.

    The year and the exact cuts of the distributed set are not reproduced.
    """

    def convert(files: Files) -> Iterator[Row]:
        for path, content in files.items():
            author, title = PurePosixPath(path).parts[-2:]
            title = title.removesuffix(".md")
            for number, (section, text) in enumerate(_sections(content.decode())):
                yield {
                    "id": f"{author}/{title}#{number}",
                    "tier": tier,
                    "title": title,
                    "author": author,
                    "year": "",
                    "section": section,
                    "text": text,
                }

    return convert


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, text) in pieces of up to `_MAX_SECTION_CHARS`, whole paragraphs only."""
    heading, piece = "", ""
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = _SPACES.sub(" ", paragraph).strip()
        found = _HEADING.match(paragraph)
        if piece and (found or len(piece) + len(paragraph) > _MAX_SECTION_CHARS):
            yield heading, piece
            piece = ""
        if found:
            heading = found[1]
        elif paragraph and not _SLUR.search(paragraph):
            piece = f"{piece}\n\n{paragraph}" if piece else paragraph
    if piece:
        yield heading, piece


def simple_stories(files: Files) -> Iterator[Row]:
    """English stories under CC BY, from tab-separated pages and from Markdown; one of each title.

    A twentieth by hash is held out. Near-duplicates with other titles are kept; the distributed set
    drops them.
    """
    seen: set[str] = set()
    for path, content in sorted(files.items()):
        text = content.decode(errors="replace")
        story = _story_of_pages(text) if path.endswith(".txt") else _story_of_markdown(path, text)
        if story and story["title"].lower() not in seen and remainder(story["id"], 20) != 0:
            seen.add(story["title"].lower())
            yield story


def _story_of_pages(text: str) -> Row | None:
    """A story whose header is `key:<tab>value` and whose pages are `P1<tab>text`."""
    lines = text.splitlines()
    header = {key: value for key, tab, value in (line.partition(":\t") for line in lines) if tab}
    pages = [_SPACES.sub(" ", match[1]).strip() for line in lines if (match := _PAGE.match(line))]
    licence = _licence(header.get("lic", ""))
    if header.get("lang") != "English" or not licence or not pages:
        return None
    return {
        "id": f"asp-{header['id']}",
        "title": header.get("title", ""),
        "summary": header.get("desc", ""),
        "level": header.get("level", ""),
        "author": header.get("author", ""),
        "license": licence,
        "url": header.get("url", ""),
        "text": "\n\n".join(page for page in pages if page),
    }


def _story_of_markdown(path: str, text: str) -> Row | None:
    """A story whose title is a heading and whose pages stand between lines of `##`."""
    title, *pages = re.split(r"^##[ \t]*$", text, flags=re.MULTILINE)
    notes = dict(re.findall(r"^\* (\w+): (.*)$", pages[-1] if pages else "", flags=re.MULTILINE))
    if notes.get("License") != "[CC-BY]" or len(pages) < 2:
        return None
    is_pratham = "/pb-source/" in path
    number = PurePosixPath(path).name.partition("_")[0]
    return {
        "id": f"{'pb' if is_pratham else 'aspmd'}-{number}",
        "title": title.strip().removeprefix("#").strip(),
        "summary": "",
        "level": "",
        "author": notes.get("Text", ""),
        "license": "CC-BY-4.0",
        "url": "https://storyweaver.org.in" if is_pratham else "https://africanstorybook.org",
        "text": "\n\n".join(page.strip() for page in pages[:-1] if page.strip()),
    }


def _licence(words: str) -> str:
    """The short name of a licence that allows every use, or nothing."""
    match = re.fullmatch(r"Creative Commons: Attribution (3\.0|4\.0)", words.strip())
    return f"CC-BY-{match[1]}" if match else ""
