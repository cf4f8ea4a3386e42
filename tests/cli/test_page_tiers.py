"""What a server computed is there for the next one, if the folder can be had."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from caesura.cli.caching import Caching, parse_caching
from caesura.cli.local import local_client
from caesura.engine import LocalClient
from caesura.engine.disk_tier import DiskTier
from caesura.engine.folder_lock import FolderInUseError
from caesura.engine.segments import RECORD_HEADER_BYTES, read_segment_header
from caesura.messages.content import conversation
from caesura.messages.errors import CaesuraError
from caesura.messages.events import Event, MessageDelta, MessageStart, TextDelta
from caesura.messages.request import MessagesRequest, Sampling
from caesura.messages.response import Usage

ASKED = MessagesRequest(
    model="tiny",
    conversation=conversation(("user", "the sum of two numbers is a number, and so on. " * 8)),
    max_tokens=5,
    sampling=Sampling(temperature=0),
)


def events(client: LocalClient, request: MessagesRequest) -> list[Event]:
    async def ask() -> list[Event]:
        return [event async for event in client.stream(request)]

    return asyncio.run(ask())


def usages(client: LocalClient, request: MessagesRequest = ASKED) -> tuple[Usage, Usage]:
    """What was known at the start, and what was true."""
    start, *_, delta, _ = events(client, request)
    assert isinstance(start, MessageStart)
    assert isinstance(delta, MessageDelta)
    return start.usage, delta.usage


def reply(client: LocalClient) -> tuple[str, int]:
    """A longer text, and how many tokens of its prompt were read."""
    texts, num_read = "", 0
    for event in events(client, replace(ASKED, max_tokens=40)):
        match event:
            case TextDelta():
                texts += event.text
            case MessageDelta():
                num_read = event.usage.cache_read_input_tokens
            case _:
                pass
    return texts, num_read


def test_after_a_restart_a_prompt_is_read_from_disk(tiny_folder: Path, tmp_path: Path) -> None:
    caching = Caching(folder=tmp_path, disk_bytes=10**8)
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        _, first = usages(client)
        assert first.cache_read_input_tokens == 0
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        start, second = usages(client)
        assert client.engine("tiny").stats().num_loaded_pages > 0
    assert start.cache_read_input_tokens == 0, "only memory is looked through before the reply begins"
    assert second.cache_read_input_tokens == (first.prompt_tokens - 1) // 32 * 32
    assert second.prompt_tokens == start.prompt_tokens == first.prompt_tokens


@pytest.mark.parametrize("num_intact", [0, 2])
def test_a_page_whose_bits_were_flipped_is_computed_anew_and_the_reply_is_the_same(
    tiny_folder: Path, tmp_path: Path, num_intact: int
) -> None:
    caching = Caching(folder=tmp_path, disk_bytes=10**8)
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        whole, _ = reply(client)
    damage(tmp_path, slot=num_intact)
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        assert reply(client) == (whole, num_intact * 32)
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        assert reply(client) == (whole, 96), "what was damaged was written anew"


def damage(folder: Path, *, slot: int) -> None:
    """Flip a bit in each byte of a page, which makes its numbers huge."""
    (path,) = folder.glob("*.pages")
    info, content = read_segment_header(path), bytearray(path.read_bytes())
    assert info is not None
    for place in range(info.offset(slot) + RECORD_HEADER_BYTES, info.offset(slot + 1)):
        content[place] ^= 64
    path.write_bytes(content)


def test_what_one_tenant_left_on_disk_is_no_other_ones(tiny_folder: Path, tmp_path: Path) -> None:
    caching = Caching(folder=tmp_path, disk_bytes=10**8)
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        usages(client, replace(ASKED, tenant="one"))
    with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
        _, other = usages(client, replace(ASKED, tenant="two"))
        _, same = usages(client, replace(ASKED, tenant="one"))
    assert other.cache_read_input_tokens == 0
    assert same.cache_read_input_tokens > 0


def test_without_a_size_nothing_is_written(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path))
    for caching in (Caching(folder=tmp_path / "a", disk_bytes=0), Caching(disk_bytes=0, ram_bytes=10**6)):
        with local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client:
            usages(client)
    assert list(tmp_path.iterdir()) == []


def test_a_named_folder_that_is_in_use_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    caching = Caching(folder=tmp_path, disk_bytes=10**8)
    with (
        DiskTier(tmp_path),
        pytest.raises(FolderInUseError, match="is in use by process"),
        local_client({"tiny": tiny_folder}, num_threads=1, caching=caching),
    ):
        pass


def test_a_named_folder_that_cannot_be_had_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    caching = Caching(folder=tmp_path / "file", disk_bytes=10**8)
    with (
        pytest.raises(CaesuraError, match=r"cannot keep pages in .*file: .*--cache-disk 0"),
        local_client({"tiny": tiny_folder}, num_threads=1, caching=caching),
    ):
        pass


def test_the_default_folder_is_done_without_if_another_server_has_it(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path))
    caching = Caching(disk_bytes=10**8)
    with (
        DiskTier(tmp_path / "cache"),
        caplog.at_level(logging.WARNING),
        local_client({"tiny": tiny_folder}, num_threads=1, caching=caching) as client,
    ):
        assert usages(client)[1].prompt_tokens > 32
        assert usages(client)[1].cache_read_input_tokens > 0
    assert "nothing is kept on disk: the cache folder" in caplog.text


def test_sizes_are_read_as_they_are_typed(tmp_path: Path) -> None:
    assert parse_caching(None) == Caching(disk_bytes=20 * 10**9)
    chosen = parse_caching(tmp_path, disk="1.5GiB", ram="0")
    assert chosen == Caching(folder=tmp_path, disk_bytes=1_610_612_736, ram_bytes=0)
    assert parse_caching(None, disk="0").disk_bytes == 0


@pytest.mark.parametrize(("disk", "ram"), [("20", None), ("-1GB", None), ("20GB", "much"), ("20GB", "")])
def test_a_size_that_is_none_is_refused_by_name(disk: str, ram: str | None) -> None:
    with pytest.raises(CaesuraError, match=r"--cache-(disk|ram) takes a size such as"):
        parse_caching(None, disk=disk, ram=ram)
