from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from caesura.cli.accounting import parse_since
from caesura.cli.main import app
from caesura.messages.errors import CaesuraError
from caesura.server.database import default_url, open_database
from caesura.server.keys import id_of, list_keys
from caesura.server.ledger import StorageRow, ToolDecision, UsageRow
from caesura.server.ledger_writer import LedgerWriter
from caesura.server.limits import Limits

DAY_MS = 24 * 3600 * 1000
NOV_20_MS = 20_777 * DAY_MS


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})


def url(tmp_path: Path) -> str:
    """The database that the verbs use in tests."""
    return default_url(tmp_path / "state")


def cells(output: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]


def test_a_key_is_shown_once_alone_and_kept_as_a_hash(tmp_path: Path) -> None:
    made = run("keys", "create", "laptop", "--workspace", "home", "--rpm", "60", "--otpm", "20000")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert made.stdout == f"{key}\n"
    assert re.fullmatch(r"sk-caesura-[0-9a-f]{12}-[A-Za-z0-9_-]{43}", key)
    assert key not in made.stderr
    assert key not in run("keys").output
    assert key[-43:].encode() not in b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    opened = open_database(url(tmp_path))
    (kept,) = list_keys(opened)
    opened.dispose()
    assert (kept.id, kept.name, kept.workspace) == (id_of(key), "laptop", "home")
    assert kept.limits == Limits(requests=60, output_tokens=20_000)


def test_keys_are_listed_with_their_limits(tmp_path: Path) -> None:
    assert "there are no keys" in run("keys").output
    run("keys", "create", "laptop", "--itpm", "1000000")
    (row,) = [row for row in cells(run("keys", "list").output) if "laptop" in row]
    assert row[1:4] == ["laptop", "default", "1,000,000 in"]
    assert row[5:] == ["", ""], "never used, not revoked"


def test_a_revoked_key_is_listed_for_those_who_ask() -> None:
    run("keys", "create", "old")
    assert run("keys", "revoke", "old").exit_code == 0
    assert "there are no keys" in run("keys").output
    assert "old" in run("keys", "list", "--revoked").output
    again = run("keys", "revoke", "old")
    assert again.exit_code == 1
    assert "no key in use is called `old`" in again.output


@pytest.mark.parametrize("action", ["create", "revoke"])
def test_a_name_is_needed(action: str) -> None:
    result = run("keys", action)
    assert result.exit_code == 1
    assert "needs the key's name" in result.output


def test_an_allowance_of_nothing_is_refused() -> None:
    assert run("keys", "create", "a", "--rpm", "0").exit_code == 2


def test_another_database_can_be_named(tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.sqlite"
    assert run("keys", "create", "a", "--database", other).exit_code == 0
    assert "there are no keys" in run("keys").output
    assert " a " in run("keys", "--database", other).output
    named = CliRunner().invoke(app, ["keys"], env={"CAESURA_DATABASE": other})
    assert " a " in named.output


def fill(tmp_path: Path) -> None:
    """Three replies, two decisions, an adapter."""

    def reply(number: int, model: str, started_ms: int) -> UsageRow:
        return UsageRow(
            request_id=f"req_{number}",
            key_id="key_1" if number < 3 else "",
            workspace="home",
            model=model,
            service_tier="standard",
            started_ms=started_ms,
            ended_ms=started_ms + 5,
            input_tokens=1000 * number,
            cache_read_tokens=10,
            cache_write_5m_tokens=20,
            cache_write_1h_tokens=30,
            output_tokens=40,
            thinking_tokens=15,
            status="complete",
            stop_reason="end_turn",
            cost_micros=1_500_000,
        )

    def decision(number: int) -> ToolDecision:
        return ToolDecision(
            request_id=f"req_{number}",
            key_id="key_1",
            workspace="home",
            model="nano",
            made_ms=NOV_20_MS + number,
            position=0,
            tool_use_id=f"toolu_{number}",
            tool="[red]search",
            arguments_sha256=f"{number}" * 64,
        )

    stored = StorageRow(
        workspace="home", name="mine", size_bytes=10**9, from_ms=NOV_20_MS, to_ms=NOV_20_MS, cost_micros=9
    )
    opened = open_database(url(tmp_path))
    with LedgerWriter(opened) as ledger:
        ledger.put([reply(1, "nano", NOV_20_MS - 1), reply(2, "nano", NOV_20_MS), reply(3, "big", NOV_20_MS)])
        ledger.put([decision(1), decision(2), stored])
    opened.dispose()


def lines(*options: str) -> list[dict[str, object]]:
    result = run("usage", "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["replies"]


def test_usage_is_summed_by_what_is_asked(tmp_path: Path) -> None:
    fill(tmp_path)
    by_key = {line["key"]: line["num_replies"] for line in lines()}
    assert by_key == {"key_1": 2, "(no key)": 1}
    by_model = {line["model"]: line["input_tokens"] for line in lines("--by", "model")}
    assert by_model == {"nano": 3000, "big": 3000}
    by_day = {line["day"]: line["cost_micros"] for line in lines("--by", "day")}
    assert by_day == {"2026-11-19": 1_500_000, "2026-11-20": 3_000_000}
    (all_of_it,) = lines("--by", "workspace")
    assert all_of_it == {
        "workspace": "home",
        "num_replies": 3,
        "input_tokens": 6000,
        "cache_read_tokens": 30,
        "cache_write_5m_tokens": 60,
        "cache_write_1h_tokens": 90,
        "output_tokens": 120,
        "thinking_tokens": 45,
        "cost_micros": 4_500_000,
    }


def test_usage_can_begin_at_a_time(tmp_path: Path) -> None:
    fill(tmp_path)
    assert {line["num_replies"] for line in lines("--since", "2026-11-20", "--by", "workspace")} == {2}
    assert lines("--since", "2026-11-21") == []


def test_the_table_has_a_total_and_costs_in_units(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = cells(run("usage", "--by", "model").output)
    assert ["nano", "2", "3,000", "20", "40", "60", "80", "30", "3.000000"] in rows
    assert ["total", "3", "6,000", "30", "60", "90", "120", "45", "4.500000"] in rows


def test_storage_is_printed_apart_from_tokens(tmp_path: Path) -> None:
    fill(tmp_path)
    output = run("usage").output
    assert "storage" in output
    assert ["home", "mine", "1,000,000,000"] in [row[:3] for row in cells(output)]
    printed = json.loads(run("usage", "--json").stdout)["storage"]
    assert [(row["name"], row["cost_micros"], row["from"]) for row in printed] == [
        ("mine", 9, "2026-11-20T00:00:00.000+00:00")
    ]


def test_the_audit_ties_decisions_to_requests(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = cells(run("usage", "audit").output)
    assert ["req_1", "key_1", "[red]search", "toolu_1", "1" * 16] in [row[1:] for row in rows]
    (made,) = json.loads(run("usage", "audit", "--request", "req_2", "--json").stdout)
    assert (made["tool_use_id"], made["arguments_sha256"]) == ("toolu_2", "2" * 64)
    assert made["made_at"] == "2026-11-20T00:00:00.002+00:00"


def test_an_empty_ledger_says_so() -> None:
    assert "nothing was used" in run("usage").output
    assert "no tool was decided on" in run("usage", "audit").output
    assert json.loads(run("usage", "--json").stdout) == {"replies": [], "storage": []}


@pytest.mark.parametrize(
    ("word", "since_ms"),
    [
        (None, 0),
        ("30m", 10 * DAY_MS - 1_800_000),
        ("12h", 10 * DAY_MS - 12 * 3_600_000),
        ("7d", 3 * DAY_MS),
        ("999999d", 0),
        ("1970-01-03", 2 * DAY_MS),
    ],
)
def test_times_are_read(word: str | None, since_ms: int) -> None:
    assert parse_since(word, now_ms=10 * DAY_MS) == since_ms


@pytest.mark.parametrize("word", ["", "yesterday", "-1d", "1w", "2026-13-01", "٣d"])
def test_what_is_no_time_is_refused(word: str) -> None:
    with pytest.raises(CaesuraError, match="--since takes 30m, 12h, 7d or a day"):
        parse_since(word, now_ms=0)
