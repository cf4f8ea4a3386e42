"""`caesura eval` and `caesura report`, from a model folder to a page."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import zstandard
from typer.testing import CliRunner, Result

from caesura.cli.evaluate import Suite, chosen_suites, evaluate, found_run, model_name, parse_budgets
from caesura.cli.evaluation import folder_digest
from caesura.cli.report import report
from caesura.messages.errors import CaesuraError
from caesura.model import ModelConfig, Transformer, save_model
from caesura.recipes.text import is_held_out
from caesura.tokens import Tokenizer
from caesura.train.sets import find_set
from tests.safety_sets import write_safety_sets

# inspect-ai leaves a stream open in every run.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")

app = typer.Typer()
app.command("eval")(evaluate)
app.command()(report)


def _invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(zstandard.ZstdCompressor().compress(lines.encode()))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run with a tiny random model whose window holds every budget."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    tokenizer = Tokenizer.train(["the sum of two numbers is a number, and so on. " * 20], vocab_size=300)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=48,
        max_positions=4096,
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(7))
    save_model(model, folder / "model")
    tokenizer.save(folder / "model", max_positions=config.max_positions)
    recipe = {"name": "tiny", "start_from": None, "packing": {"batch_tokens": 64, "row_tokens": [256]}}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    row = {"step": 5, "loss": 2.5, "tokens_per_s": 10.0, "utilisation": 0.5, "elapsed_s": 36.0}
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minimal pairs, and one held-out document of each set of prose."""
    folder = tmp_path_factory.mktemp("data")
    held_out = next(f"row-{number}" for number in count() if is_held_out(f"row-{number}"))
    prose = {"id": held_out, "title": "A day", "text": "The sun was warm. " * 20}
    for name in ("stories", "books_young", "books_general"):
        _write_rows(folder / find_set(name).file, [prose])
    turns = [{"speaker": 1 + number % 2, "text": "Hello, how are you today?"} for number in range(6)]
    _write_rows(folder / find_set("persona_chat").file, [{"id": held_out, "turns": turns}])
    pair = {"good": "The cat sleeps.", "bad": "The cat sleep.", "field": "syntax", "pair": "0"}
    _write_rows(folder / "blimp" / "blimp.jsonl.zst", [{**pair, "uid": "one"}, {**pair, "uid": "two"}])
    write_safety_sets(folder, num=6)
    return folder


@pytest.fixture(scope="module")
def results(run_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "tiny"
    size = ("--problems", "1", "--seeds", "1", "--budgets", "0,8", "--threads", "1")
    done = _invoke("eval", "all", "--model", run_folder / "model", *size, "--data", data_folder, "--out", out)
    gc.collect()
    assert done.exit_code == 0, done.output
    assert "all families, budget 8" in done.output
    return out


def test_every_suite_writes_its_results(results: Path) -> None:
    for name in ("reasoning", "padding", "obedience", "language", "safety"):
        fields = json.loads((results / f"{name}.json").read_text())
        assert fields["provenance"]["command"].startswith(f"caesura eval {name} --model ")
        assert len(fields["provenance"]["prompts_digest"]) == 64
    for name in ("reasoning.attempts.jsonl", "accuracy.png", "families.png", "training.json"):
        assert (results / name).stat().st_size > 0
    assert list((results / "logs").glob("*.eval"))


def test_budgets_are_kept_and_counted_whatever_the_model_says(results: Path) -> None:
    obedience = json.loads((results / "obedience.json").read_text())
    assert obedience["budget_kept"]["mean"] == obedience["count_exact"]["mean"] == 1.0
    rows = [json.loads(line) for line in (results / "obedience.attempts.jsonl").read_text().splitlines()]
    assert {row["mode"] for row in rows} == {"disabled", "enabled", "adaptive"}
    # The tokens behind the budget are those of the closing text, neither more nor fewer.
    spent = {row["thinking_tokens"] for row in rows if row["mode"] == "enabled" and row["budget"] == 7}
    assert max(spent) == 7 + obedience["closing_tokens"]


def test_filler_takes_as_many_tokens_as_it_says(results: Path) -> None:
    rows = [json.loads(line) for line in (results / "padding.attempts.jsonl").read_text().splitlines()]
    prompts = {(row["budget"], row["family"]): row["prompt_tokens"] for row in rows}
    closing = json.loads((results / "obedience.json").read_text())["closing_tokens"]
    vocabulary_lacks_filler = 2  # this one spells " ." as two tokens
    for (budget, family), tokens in prompts.items():
        if budget:
            assert tokens - prompts[0, family] == 1 + budget * vocabulary_lacks_filler + closing


def test_the_report_is_made_of_the_results_and_always_the_same(results: Path, tmp_path: Path) -> None:
    pages: list[str] = []
    for folder in ("one", "two"):
        page = tmp_path / folder / "nano.md"
        done = _invoke("report", results, "--control", results, "--out", page)
        assert done.exit_code == 0, done.output
        assert (page.parent / "nano-accuracy.png").is_file()
        pages.append(page.read_text().replace(str(tmp_path / folder), ""))
    assert pages[0] == pages[1]
    assert "| tiny | 5 | 0.0 M | 256 | 2.500 |" in pages[0]
    assert "claimed up to the 256 tokens" in pages[0]


def test_a_report_without_results_says_what_to_run(tmp_path: Path) -> None:
    done = _invoke("report", tmp_path, "--out", tmp_path / "nano.md")
    assert done.exit_code == 1
    assert "run `caesura eval` first" in " ".join(done.output.split())


def test_what_cannot_be_measured_is_said(run_folder: Path, tmp_path: Path) -> None:
    url = ("--base-url", "http://127.0.0.1:1", "--out", tmp_path)
    refusals = {
        "there is no folder": ("eval", "reasoning", "--model", tmp_path / "nowhere"),
        "whole numbers separated by commas, not `x`": (
            "eval",
            "--model",
            run_folder / "model",
            "--budgets",
            "0,x",
        ),
        "cannot reach http://127.0.0.1:1": ("eval", "all", "--model", "nano", *url),
        "padding needs the model in this process": ("eval", "padding", "--model", "nano", *url),
        "language needs the model in this process": ("eval", "language", "--model", "nano", *url),
        "--kv-dtype is up to the server": (
            *("eval", "reasoning", "--model", "nano", "--kv-dtype", "int8"),
            *url,
        ),
        "--kv-dtype changes nothing in the language suite": (
            *("eval", "language", "--model", run_folder / "model", "--kv-dtype", "int8"),
        ),
        "set --data or CAESURA_DATA": (
            *("eval", "language", "--model", run_folder / "model"),
            *("--data", tmp_path, "--out", tmp_path),
        ),
    }
    for message, words in refusals.items():
        done = _invoke(*words)
        assert done.exit_code == 1
        assert message in " ".join(done.output.split()), done.output


def test_how_keys_and_values_were_kept_is_part_of_the_results(run_folder: Path, tmp_path: Path) -> None:
    size = ("--problems", "1", "--seeds", "1", "--budgets", "0", "--threads", "1")
    words = ("eval", "reasoning", "--model", run_folder / "model", *size, "--out", tmp_path)
    done = _invoke(*words, "--kv-dtype", "int8")
    gc.collect()
    assert done.exit_code == 0, done.output
    fields = json.loads((tmp_path / "reasoning.json").read_text())
    assert " --kv-dtype int8 " in fields["provenance"]["command"]


def test_budgets_are_read_in_order_and_once() -> None:
    assert parse_budgets("64, 0,16,64") == (0, 16, 64)
    for wrong in ("", "1,,2", "-1", "1.5"):
        with pytest.raises(CaesuraError, match="whole numbers"):
            parse_budgets(wrong)


def test_a_model_is_named_after_its_run(run_folder: Path, tmp_path: Path) -> None:
    assert model_name(run_folder / "model") == "tiny"
    assert model_name(tmp_path) == tmp_path.name
    assert found_run(run_folder / "model") == run_folder.resolve()
    assert found_run(tmp_path) is None
    assert found_run(None) is None


def test_behind_a_url_only_what_needs_no_weights_is_measured() -> None:
    assert chosen_suites(Suite.ALL, is_remote=True) == ("reasoning", "obedience", "tools", "safety")
    everything = ("reasoning", "padding", "obedience", "language", "tools", "safety")
    assert chosen_suites(Suite.ALL, is_remote=False) == everything
    assert chosen_suites(Suite.PADDING, is_remote=False) == ("padding",)


def test_the_digest_follows_the_weights(run_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
    assert folder_digest(tmp_path / "one") != folder_digest(tmp_path / "two")
    assert folder_digest(run_folder / "model") == folder_digest(run_folder / "model")
