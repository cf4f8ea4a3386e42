"""Bringing the data sets from their public sources, for whoever lacks the folder.

Enters: names of sets and a data folder. Leaves: the same files that `sets.py` opens, the licences
beside them, the raw files under `raw/`, and `manifest.json` with the SHA-256 of everything fetched.
An interrupted download goes on where it stopped. Read next: `convert.py`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import zstandard

from caesura.messages.errors import DataError
from caesura.train.data_set import DataSet, Origin
from caesura.train.sets import find_set

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 16
_PARTIAL_CONTENT, _NOT_FOUND, _RANGE_NOT_SATISFIABLE = 206, 404, 416
_TIMEOUT = httpx.Timeout(30.0, read=120.0)
_LICENCE_PATTERNS = ("LICEN[CS]E*", "COPYING*", "README*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Where repositories are served from.

    raw: single files, as `raw/owner/name/commit/path`.
    archives: whole commits, as `archives/owner/name/tar.gz/commit`.
    """

    raw: str = "https://raw.githubusercontent.com"
    archives: str = "https://codeload.github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one download is.

    name: the data set. url: what is being fetched.
    done_bytes: how much is here. total_bytes: how much there is, where the server says so.
    """

    name: str
    url: str
    done_bytes: int
    total_bytes: int | None


OnProgress = Callable[[Progress], None]


def fetch(
    names: Iterable[str],
    folder: Path,
    progress: OnProgress,
    *,
    client: httpx.Client | None = None,
    hosts: Hosts | None = None,
) -> None:
    """Fetch and convert the named sets into the data folder; whole files are not fetched again.

    Raises DataError where a server refuses, a checksum differs or a source has changed its shape.
    """
    hosts = hosts or Hosts()
    with contextlib.ExitStack() as stack:
        opened = client or stack.enter_context(httpx.Client(timeout=_TIMEOUT, follow_redirects=True))
        for data_set in [find_set(name) for name in names]:
            store = _Store(folder=folder, name=data_set.name, client=opened, progress=progress)
            _fetch_set(data_set, store, hosts)


def _fetch_set(data_set: DataSet, store: _Store, hosts: Hosts) -> None:
    """One set: raw files, licences, rows."""
    files: dict[str, bytes] = {}
    for origin in data_set.origins:
        found = _archive(origin, store, hosts) if origin.is_archive else _single_files(origin, store, hosts)
        own = {path: content for path, content in found.items() if _matches(path, origin.paths)}
        licences = {path: content for path, content in found.items() if path not in own}
        if not own or not licences:
            missing = "licence" if own else " ".join(origin.paths)
            raise DataError(f"{origin.repository} @ {origin.commit}: no {missing} there")
        _write_licence(store.folder / data_set.folder, origin, licences)
        files |= {f"{origin.repository}/{path}": content for path, content in own.items()}
    if data_set.converter is not None:
        _write_rows(store.folder / data_set.file, data_set.converter(files))


def _matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path is one of the patterns; `*` does not cross a folder."""
    return any(
        path.count("/") == pattern.count("/") and (path == pattern or fnmatch.fnmatchcase(path, pattern))
        for pattern in patterns
    )


def _single_files(origin: Origin, store: _Store, hosts: Hosts) -> dict[str, bytes]:
    """The files of an origin that names them, and the first licence file that exists."""
    base = f"{hosts.raw}/{origin.repository}/{origin.commit}"
    target = Path("raw") / origin.repository / origin.commit
    files = {path: store.bring(f"{base}/{quote(path)}", target / path).read_bytes() for path in origin.paths}
    for path in origin.licence_paths:
        try:
            return files | {path: store.bring(f"{base}/{quote(path)}", target / path).read_bytes()}
        except MissingError:
            continue
    return files


def _archive(origin: Origin, store: _Store, hosts: Hosts) -> dict[str, bytes]:
    """The matching files of a whole commit, and its licences; nothing is unpacked to disk."""
    url = f"{hosts.archives}/{origin.repository}/tar.gz/{origin.commit}"
    whole = store.bring(url, Path("raw") / origin.repository / f"{origin.commit}.tar.gz")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(whole, mode="r:gz") as archive:
            for member in archive:
                path = member.name.partition("/")[2]
                if _matches(path, (*origin.paths, *_LICENCE_PATTERNS)) and (
                    file := archive.extractfile(member)
                ):
                    files[path] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{url}: not a whole archive: {error}") from error
    return files


class MissingError(DataError):
    """The server has no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """The data folder while one set is being fetched."""

    folder: Path
    name: str
    client: httpx.Client
    progress: OnProgress

    def bring(self, url: str, target: Path) -> Path:
        """Where the file lies, whole: as an earlier run left it, or fresh from the server."""
        path = self.folder / target
        manifest = read_manifest(self.folder)
        known = manifest.get(target.as_posix(), {}).get("sha256")
        if path.is_file() and known == _sha256(path):
            return path
        part = self._download(url, path)
        found = _sha256(part)
        if known is not None and known != found:
            part.unlink()
            raise DataError(
                f"{url}: its SHA-256 is {found}, but {MANIFEST} says {known}; run the same command again, or "
                f"delete the entry from {self.folder / MANIFEST} if you trust the new file"
            )
        part.replace(path)
        entry = {"url": url, "sha256": found, "size_bytes": path.stat().st_size}
        _write_manifest(self.folder, manifest | {target.as_posix(): entry})
        return path

    def _download(self, url: str, path: Path) -> Path:
        """Stream into `.part` beside the target, from where an earlier try stopped."""
        part = _partial(path)
        part.parent.mkdir(parents=True, exist_ok=True)
        start = part.stat().st_size if part.is_file() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with self.client.stream("GET", url, headers=headers) as response:
                if response.status_code == _RANGE_NOT_SATISFIABLE:
                    _check_end(url, part, response)
                else:
                    self._append(url, part, response, start)
        except httpx.HTTPError as error:
            raise DataError(f"{url}: {error}; run the same command again to go on") from error
        return part

    def _append(self, url: str, part: Path, response: httpx.Response, start: int) -> None:
        """Write the body; a server that ignores the range sends everything, so the part starts anew."""
        if response.status_code == _NOT_FOUND:
            raise MissingError(f"{url}: not found ({_NOT_FOUND})")
        if not response.is_success:
            raise DataError(f"{url}: the server answered {response.status_code}")
        start = start if response.status_code == _PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        done = start
        with part.open("ab" if start else "wb") as file:
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                self.progress(Progress(name=self.name, url=url, done_bytes=done, total_bytes=total))


def _check_end(url: str, part: Path, response: httpx.Response) -> None:
    """A range past the end: the part is whole if its size is the file's, and else worthless."""
    size = part.stat().st_size
    if response.headers.get("Content-Range") != f"bytes */{size}":
        part.unlink()
        raise DataError(f"{url}: {part.name} had {size} bytes that do not fit; run the same command again")


def _partial(path: Path) -> Path:
    """Where a download lies until it is whole."""
    return path.with_name(path.name + ".part")


def _sha256(path: Path) -> str:
    """The digest of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """What was fetched into a folder: path to url, sha256 and size_bytes."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        return cast(dict[str, dict[str, Any]], json.loads(path.read_bytes()))
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}; delete it to fetch everything again") from error


def _write_manifest(folder: Path, manifest: dict[str, dict[str, Any]]) -> None:
    """Replace the manifest in one step."""
    partial = folder / f"{MANIFEST}.part"
    partial.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)


def _write_licence(folder: Path, origin: Origin, licences: dict[str, bytes]) -> None:
    """The licence text beside the rows, by repository; a real licence before a README."""
    folder.mkdir(parents=True, exist_ok=True)
    path = min(licences, key=lambda name: (name.lower().startswith("readme"), name))
    target = folder / f"LICENSE-{origin.repository.replace('/', '--')}"
    target.write_bytes(licences[path])


def _write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """The rows as JSONL, compressed where the name says so, in place only when whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    if not content:
        raise DataError(f"{path}: no row came out of the raw files; the source has changed its shape")
    partial = _partial(path)
    partial.write_bytes(
        zstandard.ZstdCompressor(level=10).compress(content) if path.suffix == ".zst" else content
    )
    partial.replace(path)
