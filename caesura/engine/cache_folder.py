"""A cache folder from outside: what lies in it, and its clearing. For people, not for engines.

Looking needs no lock: segments only grow or vanish. Clearing does, unless it is forced: a server whose
segments vanish misses their pages and goes on.
Enters: a folder. Leaves: figures. Read next: `segments.py`; `caesura/cli/cache.py`, which asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from caesura.engine.folder_lock import FolderLock, is_cache_folder
from caesura.engine.segment_index import SegmentUse, delete_index, read_uses
from caesura.engine.segments import SegmentInfo, read_segment_header, segment_numbers, segment_path

_NO_USE = SegmentUse(number=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """A segment.

    path: its file.
    info: what its pages share; None if that cannot be read.
    size_bytes: of the file.
    used_at: when one of its pages was last written or read; 0: not known.
    """

    path: Path
    info: SegmentInfo | None
    size_bytes: int
    used_at: float

    @property
    def num_pages(self) -> int:
        """Whole records, intact or not."""
        return self.info.num_whole(self.size_bytes) if self.info else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """What is stored for one model.

    name, identity: see `segments.py:Owner`; empty for files that are damaged.
    num_pages, size_bytes: of all its segments.
    used_at: the last use; 0: not known.
    """

    name: str
    identity: bytes
    num_pages: int
    size_bytes: int
    used_at: float


def stored_models(folder: Path) -> list[StoredModel]:
    """One entry a model, the largest first. A folder that is not there holds nothing."""
    groups: dict[tuple[str, bytes], list[StoredSegment]] = {}
    for segment in _segments(folder):
        groups.setdefault(_owner(segment), []).append(segment)
    models = [
        StoredModel(
            name=name,
            identity=identity,
            num_pages=sum(segment.num_pages for segment in segments),
            size_bytes=sum(segment.size_bytes for segment in segments),
            used_at=max(segment.used_at for segment in segments),
        )
        for (name, identity), segments in groups.items()
    ]
    return sorted(models, key=lambda model: -model.size_bytes)


def clear(folder: Path, is_wanted: Callable[[StoredModel], bool], *, is_forced: bool = False) -> int:
    """Delete what is stored for the models that are wanted; how many bytes that were.

    Raises FolderInUseError if a server holds the folder and it is not forced, OSError if a file stays.
    """
    if not is_cache_folder(folder):
        return 0
    wanted = {(model.name, model.identity) for model in stored_models(folder) if is_wanted(model)}
    with ExitStack() as stack:
        if not is_forced:
            stack.callback(FolderLock(folder).release)
        num_bytes = sum(_delete(segment) for segment in _segments(folder) if _owner(segment) in wanted)
        if not is_forced and not segment_numbers(folder):
            delete_index(folder)
        return num_bytes


def _segments(folder: Path) -> Iterator[StoredSegment]:
    uses = read_uses(folder)
    for number in segment_numbers(folder) if folder.is_dir() else []:
        path = segment_path(folder, number)
        try:
            info, size_bytes = read_segment_header(path), path.stat().st_size
        except FileNotFoundError:
            # The server gave it up just now.
            continue
        used_at = uses.get(number, _NO_USE).used_at
        yield StoredSegment(path=path, info=info, size_bytes=size_bytes, used_at=used_at)


def _owner(segment: StoredSegment) -> tuple[str, bytes]:
    return (segment.info.owner.name, segment.info.owner.identity) if segment.info else ("", b"")


def _delete(segment: StoredSegment) -> int:
    segment.path.unlink(missing_ok=True)
    return segment.size_bytes
