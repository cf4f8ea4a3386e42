"""Fetching from a hub: a small one of our own, asked by the real huggingface_hub in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from caesura.cli.hub import is_hub_id, located

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Two models: `lab/tiny` with weights beside things that nobody should fetch, `lab/pickled` without.

    asked: every path that was asked for. cut: a file whose next download breaks off half way.
    """

    url: str
    files: dict[str, dict[str, bytes]]
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    cut: str | None = None


@pytest.fixture
def hub(tiny_folder: Path) -> Iterator[Hub]:
    files = {path.name: path.read_bytes() for path in tiny_folder.iterdir()}
    files["chat_template.jinja"] = b"{{ messages }}"
    unwanted = [
        "pytorch_model.bin",
        "original/params.json",
        "consolidated.safetensors",
        "run.py",
        "README.md",
    ]
    files |= dict.fromkeys(unwanted, b"never fetched")
    served = Hub(url="", files={"lab/tiny": files, "lab/pickled": {"config.json": b"{}", "model.bin": b"x"}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._reply(has_body=False)

        def do_GET(self) -> None:
            self._reply(has_body=True)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _reply(self, *, has_body: bool) -> None:
            path = self.path.split("?")[0]
            hub.asked.append(path)
            if path.startswith("/api/models/"):
                self._send_listing("/".join(path.split("/")[3:5]), path)
                return
            model, _, name = path.removeprefix("/").partition(f"/resolve/{COMMIT}/")
            content = hub.files.get(model, {}).get(name)
            self._send_file(name, content, has_body) if content is not None else self._send(404, b"")

        def _send_listing(self, model: str, path: str) -> None:
            files = hub.files.get(model)
            if files is None:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            names = [{"rfilename": name} for name in files]
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files.items()
            ]
            info = {
                "id": model,
                "modelId": model,
                "sha": COMMIT,
                "siblings": names,
                "tags": [],
                "private": False,
            }
            self._send(200, json.dumps(tree if "/tree/" in path else info).encode())

        def _send_file(self, name: str, content: bytes, has_body: bool) -> None:
            etag = hashlib.sha256(content).hexdigest()
            fields = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and has_body else 0
            if start:
                hub.ranges.append(name)
                fields["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            is_cut = has_body and hub.cut == name
            hub.cut = None if is_cut else hub.cut
            self._send(206 if start else 200, content[start:], fields, has_body=has_body, is_cut=is_cut)

        def _send(
            self,
            status: int,
            body: bytes,
            fields: dict[str, str] | None = None,
            *,
            has_body: bool = True,
            is_cut: bool = False,
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(fields or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if has_body:
                self.wfile.write(body[: len(body) // 2] if is_cut else body)
            self.close_connection = is_cut

    return Handler


def fetch(hub_id: str, url: str, home: Path, *, is_offline: bool = False) -> subprocess.CompletedProcess[str]:
    """`located`, with an environment of its own: huggingface_hub reads it when it is imported."""
    code = """
import sys
from caesura.cli.hub import located
from caesura.messages.errors import CaesuraError
try:
    print(located(sys.argv[1]))
except CaesuraError as error:
    sys.exit(f"refused: {error}")
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": str(int(is_offline)),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "COLUMNS": "1000",
    }
    command = [sys.executable, "-c", code, hub_id]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_a_model_is_fetched_once_and_served_without_a_network(hub: Hub, tmp_path: Path) -> None:
    first = fetch("lab/tiny", hub.url, tmp_path)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    wanted = {name for name in hub.files["lab/tiny"] if hub.files["lab/tiny"][name] != b"never fetched"}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == wanted
    assert not [
        path for path in hub.asked if path.endswith((".bin", ".py", ".md", "consolidated.safetensors"))
    ]
    assert "chat_template.jinja" in wanted
    assert (folder / "model.safetensors").read_bytes() == hub.files["lab/tiny"]["model.safetensors"]
    for later in (
        fetch("lab/tiny", hub.url, tmp_path, is_offline=True),
        fetch("lab/tiny", "http://127.0.0.1:9", tmp_path),
    ):
        assert later.returncode == 0, later.stderr
        assert Path(later.stdout.strip()) == folder


def test_a_download_that_breaks_off_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.files["lab/tiny"]["model.safetensors"] += bytes(40_000_000)
    hub.cut = "model.safetensors"
    done = fetch("lab/tiny", hub.url, tmp_path)
    assert done.returncode == 0, done.stderr
    weights = Path(done.stdout.strip()) / "model.safetensors"
    assert weights.read_bytes() == hub.files["lab/tiny"]["model.safetensors"]
    assert hub.ranges == ["model.safetensors"]


def test_without_a_network_it_says_what_was_looked_for_and_what_to_do(tmp_path: Path) -> None:
    for is_offline in (True, False):
        refused = fetch("lab/tiny", "http://127.0.0.1:9", tmp_path, is_offline=is_offline)
        assert refused.returncode == 1
        assert "model `lab/tiny` is no folder here, is not in the cache" in refused.stderr
        assert "Looked for *.safetensors, *.json, *.jinja" in refused.stderr
        assert "--model NAME=FOLDER" in refused.stderr


def test_a_model_that_the_hub_does_not_have_is_named(hub: Hub, tmp_path: Path) -> None:
    refused = fetch("lab/nothing", hub.url, tmp_path)
    assert refused.returncode == 1
    assert "model `lab/nothing`" in refused.stderr
    assert "RepositoryNotFoundError" in refused.stderr


def test_a_model_of_pickles_is_refused(hub: Hub, tmp_path: Path) -> None:
    refused = fetch("lab/pickled", hub.url, tmp_path)
    assert refused.returncode == 1
    assert "has no safetensors weights" in refused.stderr
    assert not [path for path in hub.asked if path.endswith(".bin")]


@pytest.mark.parametrize("word", ["Qwen/Qwen3-0.6B", "lab/tiny", "a/b"])
def test_an_owner_and_a_name_are_an_id(word: str) -> None:
    assert is_hub_id(word)


@pytest.mark.parametrize("word", ["/a/b", "./a", "../a", "~/a", "a", "a/b/c", "a/", "caesura/cli"])
def test_what_reads_as_a_path_or_lies_here_is_a_folder(word: str) -> None:
    assert not is_hub_id(word)
    assert located(word) == Path(word).expanduser()
