from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.cli.serve import parse_keys, parse_models
from caesura.cli.service import Address, bind
from caesura.messages.errors import CaesuraError

BATCHES = "/v1/messages/batches"


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["serve", *arguments], env={"CAESURA_API_KEY": ""})


def flat(text: str) -> str:
    return " ".join(text.split())


def test_beyond_this_machine_it_wants_a_key() -> None:
    result = serve("--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 1
    assert "without an API key" in flat(result.output)


def test_a_key_in_the_database_is_a_key() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        assert CliRunner().invoke(app, ["keys", "create", "a"]).exit_code == 0
        assert CliRunner().invoke(app, ["keys", "revoke", "a"]).exit_code == 0
        result = serve("--host", "0.0.0.0", "--port", port)
    assert "without an API key" not in flat(result.output), "one that was revoked still closes the server"
    assert f"cannot listen on 0.0.0.0:{port}" in flat(result.output)


def test_prices_and_databases_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("[tiers.standard]\ninput = -1\noutput = 1\n")
    result = serve("--port", "0", "--prices", str(tmp_path / "prices.toml"))
    assert result.exit_code == 1
    assert "tiers.standard.input: -1 is no price" in flat(result.output)
    result = serve("--port", "0", "--database", "mysql://me:hunter2@host/x")
    assert result.exit_code == 1
    assert "a database is named by sqlite:" in flat(result.output)
    assert "hunter2" not in result.output


def test_what_is_asked_with_a_key_is_in_the_ledger_when_the_server_has_stopped(
    tiny_folder: Path, tmp_path: Path
) -> None:
    key = CliRunner().invoke(app, ["keys", "create", "laptop"]).stdout.strip()
    ask = {"model": "tiny", "max_tokens": 24, "messages": [{"role": "user", "content": "the sum"}]}
    with (
        running(tiny_folder, tmp_path, "--no-page") as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        assert "YOUR-KEY" in (tmp_path / "output").read_text()
        assert http.post("/v1/messages", json=ask).status_code == 401
        usage = http.post("/v1/messages", json=ask, headers={"x-api-key": key}).json()["usage"]
    printed = json.loads(CliRunner().invoke(app, ["usage", "--json"]).stdout)
    (line,) = printed["replies"]
    assert line["key"].endswith("(laptop)")
    assert line["input_tokens"] + line["cache_read_tokens"] == usage["input_tokens"]
    assert line["output_tokens"] == usage["output_tokens"] > 0


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        result = serve("--port", str(port))
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in flat(result.output)
    assert "--port" in result.output


def test_a_missing_model_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path / "state"))
    result = serve("--port", "0", "--model", f"mine={tmp_path}/nowhere")
    assert result.exit_code == 1
    assert "model `mine` cannot be loaded" in flat(result.output)
    assert "nowhere is not a folder" in flat(result.output)


def test_a_corrupt_model_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path / "state"))
    (tmp_path / "config.json").write_text("{")
    result = serve("--port", "0", "--model", f"mine={tmp_path}")
    assert result.exit_code == 1
    assert "model `mine` cannot be loaded" in flat(result.output)


@pytest.mark.parametrize(
    "words", [["nano"], ["=folder"], ["nano="], ["a=x", "a=y"], ["/no/where"], ["a/b", "c/b"]]
)
def test_a_wrong_model_word_is_refused(words: list[str]) -> None:
    with pytest.raises(CaesuraError, match="--model"):
        parse_models(words)


def test_models_keep_their_order_and_the_bundled_one_is_the_default() -> None:
    assert list(parse_models(["b=/x", "a=/y=z"]).items()) == [("b", "/x"), ("a", "/y=z")]
    assert list(parse_models([])) == ["nano"]


def test_a_model_without_a_name_is_called_as_its_folder_or_its_id(tmp_path: Path) -> None:
    folder = tmp_path / "odd=name"
    folder.mkdir()
    assert parse_models([str(folder)]) == {"odd=name": str(folder)}
    assert parse_models(["lab/tiny-1B"]) == {"tiny-1B": "lab/tiny-1B"}
    assert parse_models(["mine=lab/tiny-1B"]) == {"mine": "lab/tiny-1B"}


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (["--kv-memory", "4"], "--kv-memory takes a size such as 500MB or 4GB, not `4`"),
        (["--kv-memory", "0GB"], "--kv-memory takes a size"),
        (["--kv-memory", "100000000GB"], "nano`: does not fit: needs"),
        (["--rope-scaling", "yarn"], "`yarn` is not TYPE:FACTOR, such as yarn:4"),
        (["--quantize", "int8", "--dtype", "float32"], "int8 weights want bfloat16 activations"),
    ],
)
def test_a_switch_that_cannot_be_honoured_is_refused(
    switches: list[str], words: str, long_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path / "state"))
    if "100000000GB" in switches:
        # More than all its sequences could fill is not asked for; let them fill a lot.
        folder = tmp_path / "nano"
        shutil.copytree(long_folder, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 10**12}))
        switches = [*switches, "--model", str(folder)]
    result = serve("--port", "0", *switches)
    assert result.exit_code == 1
    assert words in flat(result.output)


def test_a_packed_and_stretched_model_answers(tiny_folder: Path, tmp_path: Path) -> None:
    switches = ["--quantize", "int4", "--rope-scaling", "yarn:4", "--kv-memory", "100MB", "--no-page"]
    switches += ["--kv-dtype", "int8"]
    with (
        running(tiny_folder, tmp_path, *switches) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        assert http.get("/v1/models").json()["data"][0]["max_input_tokens"] == 2048
        ask = {"model": "tiny", "max_tokens": 24, "messages": [{"role": "user", "content": "the sum"}]}
        assert http.post("/v1/messages", json=ask).json()["usage"]["output_tokens"] > 0


def test_keys_are_separated_by_commas() -> None:
    assert parse_keys("one, two,") == ("one", "two")
    assert parse_keys(None) == ()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
    ],
)
def test_the_page_reaches_the_server_wherever_it_listens(host: str, url: str) -> None:
    assert Address(host=host, port=80).url == url


def test_it_serves_the_api_and_the_page_until_it_is_interrupted(tiny_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with running(tiny_folder, tmp_path) as url:
        assert f"export ANTHROPIC_BASE_URL={url}" in output.read_text()
        assert f"curl -N {url}/v1/messages" in output.read_text()
        _check_service(url)
    assert "stopped" in output.read_text()
    assert (tmp_path / "state" / "thinking.key").stat().st_mode & 0o077 == 0


def _announced_url(output: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        found = re.search(r"ANTHROPIC_BASE_URL=(http://127\.0\.0\.1:\d+)", output.read_text())
        if found:
            return found.group(1)
        assert process.poll() is None, output.read_text()
        time.sleep(0.1)
    pytest.fail(output.read_text())


def _check_service(url: str) -> None:
    body = {
        "model": "claude-default",
        "max_tokens": 24,
        "thinking": {"type": "enabled", "budget_tokens": 8},
        "messages": [{"role": "user", "content": "the sum"}],
    }
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        assert "Caesura" in http.get("/").text
        assert http.get("/v1/models").json()["data"][0]["id"] == "tiny"
        message = http.post("/v1/messages", json=body).json()
        assert message["content"][0]["type"] == "thinking"
        assert message["usage"]["output_tokens"] <= 24
        assert 'caesura_engine_pages{model="tiny",state="kept"}' in http.get("/metrics").text
        ask = {"model": "tiny", "prompt": "the sum", "max_tokens": 1, "echo": True, "logprobs": 1}
        text = http.post("/v1/completions", json=ask).json()["choices"][0]
        assert text["text"].startswith("the sum")
        assert all(log_prob <= 0 for log_prob in text["logprobs"]["token_logprobs"])
        sent = http.post("/v1/files", files={"file": ("a.txt", b"hello")}).json()
        assert http.get("/v1/files").json()["data"] == [sent]
        line = {name: body[name] for name in ("model", "max_tokens", "messages")}
        batch = create_batch(http, line)
        eventually(lambda: http.get(batch).json()["processing_status"] == "ended")
        assert http.get(f"{batch}/results").json()["result"]["type"] == "succeeded"


def create_batch(http: httpx.Client, params: dict[str, Any]) -> str:
    """Its path."""
    made = http.post(BATCHES, json={"requests": [{"custom_id": "a", "params": params}]}).json()
    return f"{BATCHES}/{made['id']}"


def eventually(is_true: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_true():
            return
        time.sleep(0.05)
    pytest.fail("it never came true")


def test_its_switches_reach_the_server(tiny_folder: Path, tmp_path: Path) -> None:
    switches = [
        "--allow-sampling",
        "--strict",
        "--allow-host",
        "box.lan",
        "--allow-origin",
        "https://a.example",
    ]
    ask = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
    with (
        running(tiny_folder, tmp_path, *switches) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        headers = {"anthropic-version": "2026-10-21", "host": "box.lan", "origin": "https://a.example"}
        count = "/v1/messages/count_tokens"
        assert http.post(count, json={**ask, "temperature": 0.5}, headers=headers).status_code == 200
        odd = http.post(count, json={**ask, "frobnicate": 1}, headers=headers)
        assert odd.json()["error"]["message"] == "frobnicate: Extra inputs are not permitted"


def test_a_second_server_on_a_cache_folder_is_refused_and_the_first_goes_on(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path / "other state"))
    switches = ["--no-page", "--cache-dir", str(tmp_path / "cache")]
    with running(tiny_folder, tmp_path, *switches) as url:
        holder = (tmp_path / "pid").read_text()
        result = serve("--port", "0", "--model", f"tiny={tiny_folder}", *switches)
        assert result.exit_code == 1
        remedy = "stop that process, or give this one a folder of its own"
        assert f"is in use by process {holder}; {remedy}" in flat(result.output)
        ask = {"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "the sum"}]}
        assert httpx.post(f"{url}/v1/messages", json=ask, timeout=30, trust_env=False).status_code == 200


# Greedy, the long model soon says one letter for ever.
LONG = {
    "model": "long",
    "max_tokens": 30_000,
    "temperature": 0,
    "messages": [{"role": "user", "content": "a number is"}],
}


def test_replies_on_their_way_end_in_an_error_when_it_is_interrupted(
    long_folder: Path, tmp_path: Path
) -> None:
    with (
        running(long_folder, tmp_path, "--no-page", name="long") as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
        ThreadPoolExecutor(1) as threads,
    ):
        whole = threads.submit(http.post, "/v1/messages", json=LONG)
        with http.stream("POST", "/v1/messages", json={**LONG, "stream": True}) as response:
            lines = response.iter_lines()
            while "text_delta" not in next(lines):
                pass
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGINT)
            *_, event, data = [line for line in lines if line]
        assert event == "event: error"
        assert json.loads(data.removeprefix("data: "))["error"]["type"] == "api_error"
        assert whole.result().status_code == 500
        assert whole.result().json()["error"]["message"] == "the engine was shut down"


def test_a_batch_outlives_an_interrupt(long_folder: Path, tmp_path: Path) -> None:
    with (
        running(long_folder, tmp_path, "--no-page", name="long") as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        batch = create_batch(http, LONG)
        eventually(lambda: 'replies_in_flight{tier="batch"} 1' in http.get("/metrics").text)
    with (
        running(long_folder, tmp_path, "--no-page", name="long") as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        eventually(lambda: 'replies_in_flight{tier="batch"} 1' in http.get("/metrics").text)
        assert http.post(f"{batch}/cancel").json()["processing_status"] == "canceling"
        eventually(lambda: http.get(batch).json()["processing_status"] == "ended")
        counts = http.get(batch).json()["request_counts"]
    assert counts == {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 1, "expired": 0}


@contextmanager
def running(folder: Path, tmp_path: Path, *arguments: str, name: str = "tiny") -> Generator[str]:
    """A server in a process of its own; its base URL. It has ended well when this ends."""
    program = [sys.executable, "-c", "from caesura.cli.main import app; app()"]
    command = [*program, "serve", "--port", "0", "--threads", "1", "--model", f"{name}={folder}", *arguments]
    environment = {**os.environ, "CAESURA_STATE": str(tmp_path / "state"), "CAESURA_API_KEY": ""}
    output = tmp_path / "output"
    with output.open("w") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment)
        (tmp_path / "pid").write_text(str(process.pid))
        try:
            yield _announced_url(output, process)
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=20)
    assert code == 0, output.read_text()
