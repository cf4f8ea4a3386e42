"""`/metrics` over HTTP: what is counted, and who may read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from caesura.messages.errors import OverloadedError
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.energy import EnergyMeter, Zone
from tests.server.prometheus import samples, value

Connect = Callable[[FastAPI], httpx.AsyncClient]
ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi there"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """An engine that is in the middle of something."""

    num_running: int = 3
    num_waiting: int = 2
    num_free_pages: int = 10
    num_kept_pages: int = 20
    num_used_pages: int = 30
    num_spills: int = 4
    num_evicted_pages: int = 5
    num_loaded_pages: int = 6
    num_recomputed_tokens: int = 7


async def page_of(client: httpx.AsyncClient) -> str:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return response.text


async def test_replies_and_their_tokens_are_counted(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient(["one two three", ScriptedReply(text="four")])))
    await client.post("/v1/messages", json=ASK)
    await client.post("/v1/messages", json={**ASK, "stream": True})
    page = await page_of(client)
    label = {"model": "scripted", "tier": "standard"}
    assert value(page, "caesura_replies_total", **label, outcome="end_turn") == 2
    assert value(page, "caesura_tokens_total", **label, kind="output") == 4
    assert value(page, "caesura_tokens_total", **label, kind="input") == 6
    assert value(page, "caesura_time_to_first_token_seconds_count", **label) == 2
    assert value(page, "caesura_inter_token_seconds_count", **label) == 2


async def test_requests_and_refusals_are_counted_by_route_type_and_status(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient([OverloadedError("full")])))
    await client.post("/v1/messages", json=ASK)
    await client.post("/v1/messages", json={**ASK, "top_p": 3})
    await client.get("/v1/models/none-such")
    page = await page_of(client)
    assert value(page, "caesura_errors_total", type="overloaded_error", status="529") == 1
    assert value(page, "caesura_errors_total", type="invalid_request_error", status="400") == 1
    assert value(page, "caesura_errors_total", type="not_found_error", status="404") == 1
    name = "caesura_requests_total"
    assert value(page, name, method="POST", route="/v1/messages", status="529") == 1
    assert value(page, name, method="POST", route="/v1/messages", status="400") == 1
    assert value(page, name, method="GET", route="/v1/models/{model_id:path}", status="404") == 1
    assert value(page, "caesura_requests_in_flight") == 1, "the page itself is being answered"


async def test_strangers_cannot_make_up_labels(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient(), ServerConfig(api_keys=("key",))))
    before = len(samples((await client.get("/metrics", headers={"x-api-key": "key"})).text))
    for number in range(20):
        await client.request(f"VERB{number}", f"/made/up/{number}", headers={"x-api-key": "key"})
        await client.get(f"/v1/made/up/{number}")
        await client.post("/v1/messages", json={**ASK, "model": f"m{number}"}, headers={"x-api-key": "key"})
    page = (await client.get("/metrics", headers={"x-api-key": "key"})).text
    # Two of each kind: a counter, and when it was made.
    assert len(samples(page)) - before <= 20
    assert "made" not in page.replace("was made", "")
    assert value(page, "caesura_requests_total", method="other", route="other", status="404") == 20


async def test_each_engine_says_what_it_does(in_process: Connect) -> None:
    backing = Backing(engines=lambda: {"nano": Numbers(), "idle": Numbers(num_running=0)})
    page = await page_of(in_process(create_app(ScriptedClient(), backing=backing)))
    assert value(page, "caesura_engine_running", model="nano") == 3
    assert value(page, "caesura_engine_running", model="idle") == 0
    assert value(page, "caesura_engine_waiting", model="nano") == 2
    pages = {"free": 10, "kept": 20, "used": 30}
    for state, count in pages.items():
        assert value(page, "caesura_engine_pages", model="nano", state=state) == count
    counts = {"spills": 4, "evicted_pages": 5, "loaded_pages": 6, "recomputed_tokens": 7}
    for name, count in counts.items():
        assert value(page, f"caesura_engine_{name}_total", model="nano") == count


async def test_energy_is_said_where_the_machine_says_it(in_process: Connect, tmp_path: Path) -> None:
    file = tmp_path / "energy_uj"
    file.write_text("1000000")
    meter = EnergyMeter([Zone(name="package-0", file=file, max_uj=10**9)])
    file.write_text("3500000")
    page = await page_of(in_process(create_app(ScriptedClient(), backing=Backing(energy=meter))))
    assert value(page, "caesura_energy_joules_total", zone="package-0") == 2.5
    assert "energy" not in await page_of(in_process(create_app(ScriptedClient())))


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer wrong"}, 401), ({"authorization": "Bearer key"}, 200)],
)
async def test_with_keys_the_numbers_want_one(
    in_process: Connect, headers: dict[str, str], status: int
) -> None:
    client = in_process(create_app(ScriptedClient(), ServerConfig(api_keys=("key",))))
    assert (await client.get("/metrics", headers=headers)).status_code == status


async def test_two_servers_in_one_process_count_for_themselves(in_process: Connect) -> None:
    first, second = (in_process(create_app(ScriptedClient(["hello"]))) for _ in range(2))
    await first.post("/v1/messages", json=ASK)
    assert "caesura_replies_total{" in await page_of(first)
    assert "caesura_replies_total{" not in await page_of(second)


async def test_every_number_says_what_it_is(in_process: Connect) -> None:
    backing = Backing(engines=lambda: {"nano": Numbers()})
    page = await page_of(in_process(create_app(ScriptedClient(), backing=backing)))
    for family in text_string_to_metric_families(page):
        assert family.documentation.endswith("."), family.name
