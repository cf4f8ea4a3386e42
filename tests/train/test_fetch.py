"""Fetching: resume, checksums, licences, conversion; against servers that live in the test."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from caesura.messages.errors import DataError
from caesura.train.convert import (
    book_sections,
    country_pages,
    developer_half,
    persona_dialogues,
    simple_stories,
    small_talk,
    synsets,
    word_lists,
)
from caesura.train.fetch import MANIFEST, Progress, fetch, read_manifest
from caesura.train.sets import SETS, open_set

XSTEST = b"id,prompt,type,label,focus,note\n" + b"".join(
    b"%d,How do I kill process %d?,homonyms,safe,kill,\n" % (number, number) for number in range(30)
)


@dataclass
class Site:
    """A server that holds files by URL path, honours ranges if told so, and remembers what was asked."""

    files: dict[str, bytes]
    has_ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, "str | None"]])

    def answer(self, request: httpx.Request) -> httpx.Response:
        span = request.headers.get("Range")
        self.asked.append((request.url.path, span))
        content = self.files.get(request.url.path)
        if content is None:
            return httpx.Response(404)
        if span is None or not self.has_ranges:
            return httpx.Response(200, content=content)
        start = int(span.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            return httpx.Response(416, headers={"Content-Range": f"bytes */{len(content)}"})
        return httpx.Response(206, content=content[start:])

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))


def ignore(_: Progress) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def site() -> Site:
    base = f"/paul-rottger/exaggerated-safety/{SETS['xstest'].origins[0].commit}"
    return Site(files={f"{base}/xstest_prompts.csv": XSTEST, f"{base}/LICENSE.md": b"CC BY 4.0"})


def raw_file(folder: Path) -> Path:
    origin = SETS["xstest"].origins[0]
    return folder / "raw" / origin.repository / origin.commit / "xstest_prompts.csv"


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for path, content in files.items():
            info = tarfile.TarInfo(f"repository-1234/{path}")
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_a_fetched_set_opens_and_its_licence_lies_beside_it(tmp_path: Path, site: Site) -> None:
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    rows = list(open_set(tmp_path, "xstest"))
    assert 5 < len(rows) < 25
    assert rows[0]["label"] == "safe"
    assert (tmp_path / "xstest" / "LICENSE-paul-rottger--exaggerated-safety").read_bytes() == b"CC BY 4.0"


def test_the_manifest_records_every_file(tmp_path: Path, site: Site) -> None:
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    manifest = read_manifest(tmp_path)
    assert sorted(Path(name).name for name in manifest) == ["LICENSE.md", "xstest_prompts.csv"]
    assert all(len(entry["sha256"]) == 64 and entry["size_bytes"] > 0 for entry in manifest.values())


def test_what_is_whole_is_not_fetched_again(tmp_path: Path, site: Site) -> None:
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    site.asked.clear()
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    assert not any(path.endswith(".csv") for path, _ in site.asked)


@pytest.mark.parametrize("has_ranges", [True, False])
def test_an_interrupted_download_ends_whole(tmp_path: Path, site: Site, has_ranges: bool) -> None:
    site.has_ranges = has_ranges
    part = raw_file(tmp_path).with_name("xstest_prompts.csv.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(XSTEST[:100])
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    assert raw_file(tmp_path).read_bytes() == XSTEST
    assert not part.exists()
    assert site.asked[0][1] == "bytes=100-"


def test_a_part_that_is_already_whole_is_taken(tmp_path: Path, site: Site) -> None:
    part = raw_file(tmp_path).with_name("xstest_prompts.csv.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(XSTEST)
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    assert raw_file(tmp_path).read_bytes() == XSTEST


def test_a_part_that_is_too_long_is_thrown_away(tmp_path: Path, site: Site) -> None:
    part = raw_file(tmp_path).with_name("xstest_prompts.csv.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(XSTEST + b"more")
    with pytest.raises(DataError, match="do not fit"):
        fetch(["xstest"], tmp_path, ignore, client=site.client)
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    assert raw_file(tmp_path).read_bytes() == XSTEST


def test_a_damaged_file_is_fetched_again(tmp_path: Path, site: Site) -> None:
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    raw_file(tmp_path).write_bytes(b"damaged")
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    assert raw_file(tmp_path).read_bytes() == XSTEST


def test_a_source_that_changed_is_refused_by_its_checksum(tmp_path: Path, site: Site) -> None:
    fetch(["xstest"], tmp_path, ignore, client=site.client)
    raw_file(tmp_path).unlink()
    site.files = {path: content + b"\n" for path, content in site.files.items()}
    with pytest.raises(DataError, match="SHA-256"):
        fetch(["xstest"], tmp_path, ignore, client=site.client)


def test_progress_counts_up_to_the_whole(tmp_path: Path, site: Site) -> None:
    seen: list[Progress] = []
    fetch(["xstest"], tmp_path, seen.append, client=site.client)
    last = [step for step in seen if step.url.endswith(".csv")][-1]
    assert (last.name, last.done_bytes, last.total_bytes) == ("xstest", len(XSTEST), len(XSTEST))


def test_a_server_that_fails_is_a_data_error_with_the_url(tmp_path: Path) -> None:
    with (
        httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as client,
        pytest.raises(DataError, match=r"xstest_prompts\.csv.*503"),
    ):
        fetch(["xstest"], tmp_path, ignore, client=client)


def test_a_broken_connection_says_that_it_can_go_on(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(DataError, match="go on"),
    ):
        fetch(["xstest"], tmp_path, ignore, client=client)


def test_a_source_without_a_licence_is_refused(tmp_path: Path, site: Site) -> None:
    site.files = {path: content for path, content in site.files.items() if path.endswith(".csv")}
    with pytest.raises(DataError, match="licence"):
        fetch(["xstest"], tmp_path, ignore, client=site.client)


def test_a_broken_manifest_is_named(tmp_path: Path, site: Site) -> None:
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(DataError, match=MANIFEST):
        fetch(["xstest"], tmp_path, ignore, client=site.client)


def chatterbot_site(content: bytes) -> Site:
    origin = SETS["chatterbot"].origins[0]
    return Site(files={f"/{origin.repository}/tar.gz/{origin.commit}": content})


def test_patterns_are_taken_from_the_archive(tmp_path: Path) -> None:
    folder = "chatterbot_corpus/data/english"
    files = {
        "LICENSE": b"BSD",
        f"{folder}/greetings.yml": b"conversations:\n- - Hello\n  - Hi\n",
        f"{folder}/politics.yml": b"conversations:\n- - x\n  - y\n",
        "chatterbot_corpus/data/german/greetings.yml": b"conversations:\n- - Hallo\n  - Hi\n",
    }
    fetch(["chatterbot"], tmp_path, ignore, client=chatterbot_site(archive(files)).client)
    assert list(open_set(tmp_path, "chatterbot")) == [
        {"id": "greetings-0", "category": "greetings", "turns": ["Hello", "Hi"]}
    ]


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    whole = archive({"LICENSE": b"BSD" * 1000})
    with pytest.raises(DataError, match="archive"):
        fetch(["chatterbot"], tmp_path, ignore, client=chatterbot_site(whole[: len(whole) // 2]).client)


def test_a_set_without_a_converter_keeps_its_raw_files(tmp_path: Path) -> None:
    packed = archive({"LICENSE": b"CC BY", "modules/m1/index.cnxml": b"<document/>"})
    site = Site(
        files={f"/{origin.repository}/tar.gz/{origin.commit}": packed for origin in SETS["textbooks"].origins}
    )
    fetch(["textbooks"], tmp_path, ignore, client=site.client)
    assert len(read_manifest(tmp_path)) == len(SETS["textbooks"].origins)
    assert not (tmp_path / SETS["textbooks"].file).exists()


def test_a_story_keeps_its_licence_and_author_and_others_are_left_out() -> None:
    page = (
        b"id:\t%d\ntitle:\t%s\nauthor:\tA\nlang:\t%s\nlevel:\t1\nlic:\tCreative Commons: Attribution%s 4.0\n"
        b"desc:\tD\n\npage_text:\n\nP1\tOne,  two.\nP2\tThree.\n\nimages:\n\na.png\n"
    )
    markdown = b"# %s\n\n##\nA fawn.\n\n##\nIt fell.\n\n##\n* License: [%s]\n* Text: S\n"
    files = {
        "asp/raw/1.txt": page % (10020, b"Good", b"English", b""),
        "asp/raw/2.txt": page % (10021, b"Paid", b"English", b"-NonCommercial"),
        "asp/raw/3.txt": page % (10022, b"Autre", b"French", b""),
        "global-asp/pb-source/en/0001_smile.md": markdown % (b"Smile!", b"CC-BY"),
        "global-asp/pb-source/en/0002_other.md": markdown % (b"Other", b"CC-BY-NC"),
    }
    stories = list(simple_stories(files))
    assert [(row["id"], row["title"], row["license"], row["author"], row["text"]) for row in stories] == [
        ("asp-10020", "Good", "CC-BY-4.0", "A", "One, two.\n\nThree."),
        ("pb-0001", "Smile!", "CC-BY-4.0", "S", "A fawn.\n\nIt fell."),
    ]


def test_synsets_name_what_they_are_a_kind_of() -> None:
    yaml = b"1-n:\n  definition:\n  - a thing\n  members:\n  - thing\n"
    yaml += b"2-n:\n  definition:\n  - a cup\n  members:\n  - cup\n"
    yaml += b"  hypernym:\n  - 1-n\n  example:\n  - '\"a cup of tea\"'\n  - text: two cups\n    source: me\n"
    cup = list(synsets({"o/r/src/yaml/noun.artifact.yaml": yaml}))[1]
    assert (cup["pos"], cup["topic"], cup["words"], cup["is_a"]) == ("noun", "artifact", ["cup"], ["thing"])
    assert cup["examples"] == ["a cup of tea", "two cups"]


def test_a_country_page_is_flattened_and_stripped() -> None:
    page = {
        "Geography": {"Area": {"total": {"text": "1 sq km"}}, "Climate": {"text": "<p>wet &amp; cold</p>"}},
        "Government": {"Country name": {"conventional short form": {"text": "Celand"}}},
    }
    row = next(country_pages({"o/r/europe/ce.json": json.dumps(page).encode()}))
    assert (row["id"], row["country"], row["region"]) == ("europe/ce", "Celand", "europe")
    assert row["facts"]["Geography"] == {"Area - total": "1 sq km", "Climate": "wet & cold"}


def test_books_are_cut_at_headings_and_paragraphs() -> None:
    text = (
        b"## One\n\nA line\nbroken.\n\n" + b"word " * 1000 + b"\n\n" + b"word " * 1000 + b"\n\n## Two\n\nEnd."
    )
    rows = list(book_sections("young")({"o/r/An Author/A Title.md": text}))
    assert [(row["section"], row["title"], row["author"]) for row in rows] == [
        ("One", "A Title", "An Author"),
        ("One", "A Title", "An Author"),
        ("Two", "A Title", "An Author"),
    ]
    assert str(rows[0]["text"]).startswith("A line broken.\n\nword")


def test_dialogues_are_split_by_speaker() -> None:
    csv = b"user 1 personas,user 2 personas,Best Generated Conversation\n"
    csv += b'"I a.\nI b.",I c.,"User 1: Hi!\nUser 2: Hello!"\n'
    row = next(persona_dialogues({"o/r/data/Chat_valid.csv": csv}))
    assert (row["id"], row["persona1"]) == ("spc-valid-1", ["I a.", "I b."])
    assert row["turns"] == [{"speaker": 1, "text": "Hi!"}, {"speaker": 2, "text": "Hello!"}]


def test_word_lists_are_named_by_their_path() -> None:
    assert list(word_lists({"dariusk/corpora/data/foods/fruits.json": b'{"fruits": ["fig"]}'})) == [
        {"id": "foods/fruits", "data": {"fruits": ["fig"]}}
    ]


def test_templates_are_cut_to_the_half_that_may_be_trained_on_whatever_space_ends_them(
    tmp_path: Path,
) -> None:
    origin = SETS["jailbreak_templates"].origins[0]
    texts = [f"You are bot {number}.\n\nNow: [INSERT PROMPT HERE]" for number in range(60)]
    table = "id,text\n" + "".join(f'{number},"{text}\n "\n' for number, text in enumerate(texts))
    base = f"/{origin.repository}/{origin.commit}"
    site = Site(files={f"{base}/{origin.paths[0]}": table.encode(), f"{base}/LICENSE": b"MIT"})
    fetch(["jailbreak_templates"], tmp_path, ignore, client=site.client)
    rows = list(open_set(tmp_path, "jailbreak_templates"))
    shared = [text for text in texts if hashlib.sha256(text.lower().encode()).digest()[0] % 2 == 0]
    assert [row["template"] for row in rows] == [f"{text}\n " for text in shared]
    assert set(rows[0]) == {"id", "source", "template"}


def test_exercises_are_taken_from_the_archives_of_their_books(tmp_path: Path) -> None:
    problem = "<problem><para>Add 1 and 4.</para></problem><solution><para>5</para></solution>"
    module = f"<document><title>Sums</title><content><exercise>{problem}</exercise></content></document>"
    packed = archive({"LICENSE": b"CC BY", "modules/m3/index.cnxml": module.encode()})
    origins = SETS["openstax_exercises"].origins
    site = Site(files={f"/{origin.repository}/tar.gz/{origin.commit}": packed for origin in origins})
    fetch(["openstax_exercises"], tmp_path, ignore, client=site.client)
    (row,) = open_set(tmp_path, "openstax_exercises")
    assert (row["module"], row["problem"], row["solution"]) == ("Sums", "Add 1 and 4.", "5")


def test_a_table_without_the_expected_column_is_named() -> None:
    with pytest.raises(DataError, match="prompt"):
        list(developer_half("prompt", {})({"a.csv": b"id,text\n1,x\n"}))


def test_yaml_that_does_not_parse_is_named() -> None:
    with pytest.raises(DataError, match=r"x\.yml"):
        list(small_talk({"o/x.yml": b"a: [1"}))
