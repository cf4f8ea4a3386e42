"""Rows: endpoints, models, batches, files. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

from typing import Any

from tests.compatibility.context import COUNT
from tests.compatibility.probe import BODY, IGNORED, WORKS, Answer, Probe, Row, judged, verdict

LINES: list[dict[str, Any]] = [
    {"custom_id": "one", "params": BODY},
    {"custom_id": "two", "params": {"model": "scripted"}},
]
BETA = {"anthropic-beta": "files-api-2025-04-14, message-batches-2024-09-24"}


async def _batch(probe: Probe) -> Answer:
    return await probe.ask("POST", "/v1/messages/batches", json={"requests": LINES})


async def _ended_batch(probe: Probe) -> str:
    """The id of a batch that has ended: results are waited for."""
    return (await _ended(probe, (await _batch(probe)).body["id"]))["id"]


async def _ended(probe: Probe, made: str) -> dict[str, Any]:
    while True:
        batch = (await probe.ask("GET", f"/v1/messages/batches/{made}")).body
        if batch["processing_status"] == "ended":
            return batch


async def _batch_results(probe: Probe) -> str:
    answer = await probe.ask("GET", f"/v1/messages/batches/{await _ended_batch(probe)}/results")
    return verdict(answer, lambda each: "succeeded" in str(each.body) and "errored" in str(each.body))


async def _batch_tier(probe: Probe) -> str:
    answer = await probe.ask("GET", f"/v1/messages/batches/{await _ended_batch(probe)}/results")
    return verdict(answer, lambda each: '"service_tier":"batch"' in str(each.body).replace(" ", ""))


async def _batch_line(probe: Probe, **params: Any) -> str:
    """What becomes of a line with these params."""
    line = {"custom_id": "one", "params": {**BODY, **params}}
    made = (await probe.ask("POST", "/v1/messages/batches", json={"requests": [line]})).body["id"]
    ended = await _ended(probe, made)
    return max(ended["request_counts"], key=ended["request_counts"].__getitem__)


async def _not_batchable(probe: Probe) -> str:
    found = {await _batch_line(probe, stream=True), await _batch_line(probe, max_tokens=0)}
    return WORKS if found == {"errored"} else IGNORED


async def _twice(probe: Probe) -> Answer:
    return await probe.ask("POST", "/v1/messages/batches", json={"requests": [LINES[0], LINES[0]]})


async def _batch_deleted(probe: Probe) -> str:
    answer = await probe.ask("DELETE", f"/v1/messages/batches/{await _ended_batch(probe)}")
    return verdict(answer, lambda each: each.body["type"] == "message_batch_deleted")


async def _batch_canceled(probe: Probe) -> str:
    made = (await _batch(probe)).body["id"]
    answer = await probe.ask("POST", f"/v1/messages/batches/{made}/cancel")
    return verdict(answer, lambda each: each.body["processing_status"] in ("canceling", "ended"))


async def _batch_retrieved(probe: Probe) -> str:
    made = (await _batch(probe)).body["id"]
    answer = await probe.ask("GET", f"/v1/messages/batches/{made}")
    return verdict(answer, lambda each: sum(each.body["request_counts"].values()) == len(LINES))


async def _upload(probe: Probe) -> Answer:
    return await probe.ask("POST", "/v1/files", files={"file": ("hare.txt", b"a hare", "text/plain")})


async def _named_file(probe: Probe) -> str:
    made = [(await _upload(probe)).body["id"] for _ in range(2)]
    answer = await probe.ask("GET", f"/v1/files?ids[]={made[0]}")
    return verdict(answer, lambda each: [file["id"] for file in each.body["data"]] == made[:1])


def _of_a_file(method: str, rest: str, kind: str) -> Any:
    async def check(probe: Probe) -> str:
        made = (await _upload(probe)).body["id"]
        answer = await probe.ask(method, f"/v1/files/{made}{rest}")
        return verdict(answer, lambda each: each.body["type"] == kind)

    return check


async def _counted(probe: Probe) -> str:
    counted = await probe.ask("POST", "/v1/messages/count_tokens", json=BODY)
    whole = await probe.message({})
    if counted.status != 200:
        return f"refused with {counted.status}"
    return WORKS if counted.body["input_tokens"] == whole.usage["input_tokens"] else "differs"


def _model_has(field: str) -> Any:
    return judged(
        lambda probe: probe.ask("GET", "/v1/models/scripted"), lambda each: each.body.get(field) is not None
    )


ENDPOINTS = [
    Row(
        "`POST /v1/messages`",
        judged(lambda probe: probe.message({}), lambda each: each.body["type"] == "message"),
    ),
    Row(
        "`POST /v1/messages?beta=true`, any query",
        judged(
            lambda probe: probe.ask("POST", "/v1/messages?beta=true&what=ever", json=BODY),
            lambda each: each.body["type"] == "message",
        ),
    ),
    Row("`POST /v1/messages/count_tokens`", _counted, "equal to what the request is billed"),
    COUNT,
    Row(
        "`GET /v1/models`",
        judged(
            lambda probe: probe.ask("GET", "/v1/models?limit=1"),
            lambda each: set(each.body) == {"data", "has_more", "first_id", "last_id"},
        ),
    ),
    Row(
        "`GET /v1/models/{id}`",
        judged(
            lambda probe: probe.ask("GET", "/v1/models/claude-any"),
            lambda each: each.body["id"] == "scripted",
        ),
        "aliases too",
    ),
    Row(
        "`GET /v1/models`: `lifecycle[]`",
        judged(
            lambda probe: probe.ask("GET", "/v1/models?lifecycle[]=retired"),
            lambda each: not each.body["data"],
        ),
    ),
    *[
        Row(f"model: `{field}`", _model_has(field))
        for field in (
            "lifecycle",
            "display_name",
            "created_at",
            "max_input_tokens",
            "max_tokens",
            "capabilities",
        )
    ],
    Row(
        "`HEAD /`, `HEAD /api/hello`",
        judged(lambda probe: probe.ask("HEAD", "/api/hello"), lambda each: each.status == 200),
    ),
    Row(
        "a compressed body",
        judged(
            lambda probe: probe.ask("POST", "/v1/messages", {"content-encoding": "gzip"}, content=b"x"),
            lambda each: True,
        ),
    ),
]
BATCHES = [
    Row("`POST /v1/messages/batches`", judged(_batch, lambda each: each.body["type"] == "message_batch")),
    Row(
        "`GET /v1/messages/batches`",
        judged(lambda probe: probe.ask("GET", "/v1/messages/batches"), lambda each: "has_more" in each.body),
    ),
    Row("`GET /v1/messages/batches/{id}`", _batch_retrieved),
    Row("`GET /v1/messages/batches/{id}/results`", _batch_results, "a line that is wrong is `errored`"),
    Row("`usage.service_tier`: `batch`", _batch_tier),
    Row("one `custom_id` twice", judged(_twice, lambda each: True), "as in the API"),
    Row("`stream`, or `max_tokens` 0, in a line", _not_batchable, "such a line is `errored`, as in the API"),
    Row("`POST /v1/messages/batches/{id}/cancel`", _batch_canceled),
    Row("`DELETE /v1/messages/batches/{id}`", _batch_deleted),
]
FILES = [
    Row("`POST /v1/files`", judged(_upload, lambda each: each.body["size_bytes"] == 6)),
    Row(
        "`POST /v1/files`: `expires_in_seconds`",
        judged(
            lambda probe: probe.ask(
                "POST",
                "/v1/files",
                files={"file": ("hare.txt", b"a hare", "text/plain")},
                data={"expires_in_seconds": "3600"},
            ),
            lambda each: each.body["expires_at"],
        ),
    ),
    Row(
        "`GET /v1/files`",
        judged(
            lambda probe: probe.ask("GET", "/v1/files", BETA),
            lambda each: {"has_more", "last_id", "next_page"} <= set(each.body),
        ),
        "both ways of paging",
    ),
    Row("`GET /v1/files`: `ids[]`", _named_file),
    Row("`GET /v1/files/{id}`", _of_a_file("GET", "", "file")),
    Row(
        "`GET /v1/files/{id}/content`",
        _of_a_file("GET", "/content", "file"),
        "of what a client has uploaded, as in the API",
    ),
    Row("`DELETE /v1/files/{id}`", _of_a_file("DELETE", "", "file_deleted")),
]
