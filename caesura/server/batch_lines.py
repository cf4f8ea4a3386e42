"""One line of a message batch: read, answered, and written down.

A line is read as the body of `/v1/messages` is, by the same rules, when its turn comes; what is wrong with it
is its outcome. Enters: a line as it was sent. Leaves: an `Answer`. Read next: `batch_runner.py`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from caesura.messages.background import MAX_INLINE_SIZE, Background
from caesura.messages.client import Client
from caesura.messages.errors import ApiError, InvalidRequestError, RequestTooLargeError
from caesura.messages.fold import collect
from caesura.messages.validation import parse_json, parse_request
from caesura.messages.wire import error_json, message_json
from caesura.server.accounts import Accounts
from caesura.server.batch_rows import Batch, Line
from caesura.server.batch_runner import Answer
from caesura.server.caller import Caller
from caesura.server.catalogue import check_request, find_model
from caesura.server.config import ServerConfig
from caesura.server.dialects import dialect_of
from caesura.server.exchange import new_request_id
from caesura.server.metering import BilledClient, Call
from caesura.server.sources import Sources
from caesura.server.sse import INTERNAL_ERROR

logger = logging.getLogger(__name__)

# Failures of ours, and of a server that has too much to do.
_PASSING = ("api_error", "overloaded_error", "timeout_error", "rate_limit_error")


class BatchLines:
    """Answers lines with one Client."""

    def __init__(
        self, client: Client, config: ServerConfig, accounts: Accounts | None, sources: Sources
    ) -> None:
        """client: measured as a batch's. accounts: what replies are charged to; None: nobody keeps any."""
        self._client = client
        self._config = config
        self._accounts = accounts
        self._sources = sources
        # A PDF can take very long, and the threads that everyone shares are few.
        self._background = Background()

    async def answer(self, batch: Batch, line: Line) -> Answer:
        """What came of a line; it never raises."""
        request_id = new_request_id()
        try:
            return await self._answer(batch, line, request_id)
        except ApiError as error:
            return _errored(error, request_id)
        except Exception:
            logger.exception("%s: a line of %s failed", request_id, batch.id)
            return _errored(INTERNAL_ERROR, request_id)

    async def _answer(self, batch: Batch, line: Line, request_id: str) -> Answer:
        params = await self._background.run(MAX_INLINE_SIZE + 1, self._params, line)
        filled = await self._sources.fill(params, len(line.body), batch.tenant)
        dialect = dialect_of(self._config, batch.version or None, batch.betas.split(","))
        asked = await self._background.run(MAX_INLINE_SIZE + 1, parse_request, filled.body, dialect)
        info = find_model(await self._client.models(), asked.model)
        check_request(asked, info)
        request = replace(asked, model=info.id, tenant=batch.tenant)
        message = await collect(self._charged(batch, request_id).stream(request))
        body = message_json(replace(message, model=asked.model))
        body["usage"]["service_tier"] = "batch"
        return Answer("succeeded", json.dumps({"type": "succeeded", "message": body}))

    def _params(self, line: Line) -> dict[str, Any]:
        """What a line asks. Raises ApiError. It may take long."""
        raw = line.body.encode()
        if len(raw) > self._config.max_body_bytes:
            raise RequestTooLargeError(
                f"params: {len(raw)} bytes > {self._config.max_body_bytes} maximum for one request"
            )
        params: dict[str, Any] = cast("dict[str, Any]", parse_json(raw))["params"]
        _check_batchable(params)
        return params

    def _charged(self, batch: Batch, request_id: str) -> Client:
        if self._accounts is None:
            return self._client
        caller = Caller(tenant=batch.tenant, key_id=batch.key_id, workspace=batch.workspace)
        call = Call(request_id=request_id, caller=caller, service_tier="batch")
        return BilledClient(self._client, call, self._accounts)


def _check_batchable(params: dict[str, Any]) -> None:
    refused: dict[str, Callable[[Any], bool]] = {
        "stream": bool,
        "speed": lambda value: value not in (None, "standard"),
        "max_tokens": lambda value: value == 0,
    }
    for name, is_refused in refused.items():
        if is_refused(params.get(name)):
            shown = repr(params[name])[:100]
            raise InvalidRequestError(f"{name}: {shown} is not supported in a message batch")


def _errored(error: ApiError, request_id: str) -> Answer:
    envelope = error_json(error.type, error.message, request_id, error.error_code)
    result = json.dumps({"type": "errored", "error": envelope})
    return Answer("errored", result, may_retry=error.type in _PASSING)
