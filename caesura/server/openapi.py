"""What this server takes and answers, as an OpenAPI document: `/openapi.json`.

Bodies are described by the very models that read them; answers by their kind only, and errors by their
envelope. Enters: nothing. Leaves: the document. Read next: `app.py`, which serves it;
`caesura/messages/wire_in.py` and `openai_shapes.py` for the bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from caesura.messages.request import WINDOW_BETA
from caesura.messages.validation import Version
from caesura.messages.wire_in import WireCountRequest, WireRequest
from caesura.server.batch_reading import MAX_REQUESTS
from caesura.server.catalogue import MAX_LIMIT
from caesura.server.dialects import INTERLEAVED_BETA, TOKEN_COUNT_BETA
from caesura.server.memory_header import MEMORY_HEADER
from caesura.server.openai_shapes import ChatBody, TextBody
from caesura.server.uploads import MAX_LIFE_S, MIN_LIFE_S

Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_JSON, _EVENTS, _LINES = "application/json", "text/event-stream", "application/x-jsonl"
_BODIES: tuple[type[BaseModel], ...] = (WireRequest, WireCountRequest, ChatBody, TextBody)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One route under one method.

    summary: what it does. body: the schema of what it takes, and `body_type` how that is written.
    query: its query parameters, by name. headers: those that it reads beside the key, by name.
    wants_key: whether it is for those alone who have a key, where there are keys.
    answers: the content types of what it answers. error: the schema of its errors.
    """

    summary: str
    body: Json | None = None
    body_type: str = _JSON
    query: Mapping[str, Json] = field(default_factory=dict[str, Json])
    headers: Mapping[str, Json] = field(default_factory=dict[str, Json])
    wants_key: bool = True
    answers: tuple[str, ...] = (_JSON,)
    error: str = "Error"


def _of(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


_TEXT: Json = {"type": "string"}
_PAGE: dict[str, Json] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    "after_id": _TEXT,
    "before_id": _TEXT,
}
_BETAS = (INTERLEAVED_BETA, TOKEN_COUNT_BETA, WINDOW_BETA)
# An unknown date counts as the newest, an unknown beta as none.
_DIALECT: dict[str, Json] = {
    "anthropic-version": {"anyOf": [{"enum": [*get_args(Version)]}, _TEXT]},
    "anthropic-beta": {"anyOf": [{"enum": [*_BETAS, ", ".join(_BETAS)]}, _TEXT]},
}
_MESSAGE: dict[str, Json] = {**_DIALECT, MEMORY_HEADER: {"enum": ["on", "off"]}}
_KEY: dict[str, Json] = {"x-api-key": _TEXT}
_LIFECYCLES: Json = {"type": "array", "items": {"enum": ["active", "deprecated", "retired"]}}
_BATCH: Json = {
    "type": "object",
    "required": ["requests"],
    "properties": {
        "requests": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_REQUESTS,
            "items": {
                "type": "object",
                "required": ["custom_id", "params"],
                "properties": {
                    "custom_id": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
                    "params": _of(WireRequest),
                },
            },
        }
    },
}
_UPLOAD: Json = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "expires_in_seconds": {"type": "integer", "minimum": MIN_LIFE_S, "maximum": MAX_LIFE_S},
    },
}
_BATCHES, _ONE_BATCH = "/v1/messages/batches", "/v1/messages/batches/{batch_id}"

OPERATIONS: Mapping[tuple[str, str], _Operation] = {
    ("post", "/v1/messages"): _Operation(
        summary="Create a message.", body=_of(WireRequest), headers=_MESSAGE, answers=(_JSON, _EVENTS)
    ),
    ("post", "/v1/messages/count_tokens"): _Operation(
        summary="Count the tokens of a prompt.", body=_of(WireCountRequest), headers=_MESSAGE
    ),
    ("get", "/v1/models"): _Operation(
        summary="List the models.", query={**_PAGE, "lifecycle[]": _LIFECYCLES}
    ),
    ("get", "/v1/models/{model_id}"): _Operation(summary="Describe a model."),
    ("post", _BATCHES): _Operation(summary="Create a batch.", body=_BATCH, headers=_DIALECT),
    ("get", _BATCHES): _Operation(summary="List the batches.", query=_PAGE),
    ("get", _ONE_BATCH): _Operation(summary="Describe a batch."),
    ("delete", _ONE_BATCH): _Operation(summary="Forget a batch that has ended."),
    ("post", f"{_ONE_BATCH}/cancel"): _Operation(summary="End a batch."),
    ("get", f"{_ONE_BATCH}/results"): _Operation(summary="What came of each line.", answers=(_LINES,)),
    ("post", "/v1/files"): _Operation(
        summary="Upload a file.", body=_UPLOAD, body_type="multipart/form-data"
    ),
    ("get", "/v1/files"): _Operation(
        summary="List the files.",
        query={**_PAGE, "page": _TEXT, "ids[]": {"type": "array", "items": _TEXT}},
    ),
    ("get", "/v1/files/{file_id}"): _Operation(summary="Describe a file."),
    ("delete", "/v1/files/{file_id}"): _Operation(summary="Forget a file."),
    ("get", "/v1/files/{file_id}/content"): _Operation(
        summary="Read a file that the server made.", answers=("application/octet-stream",)
    ),
    ("post", "/v1/chat/completions"): _Operation(
        summary="Answer a chat of OpenAI's form.",
        body=_of(ChatBody),
        answers=(_JSON, _EVENTS),
        error="OpenAiError",
    ),
    ("post", "/v1/completions"): _Operation(
        summary="Continue a text.", body=_of(TextBody), answers=(_JSON, _EVENTS), error="OpenAiError"
    ),
    ("get", "/health"): _Operation(summary="Whether the server is up.", wants_key=False),
    ("get", "/metrics"): _Operation(summary="Numbers for Prometheus.", answers=("text/plain",)),
}

_DETAILS: Json = {"type": "object", "properties": {"error_code": _TEXT}}
_ERRORS: dict[str, Json] = {
    "Error": {
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": _TEXT, "message": _TEXT, "details": _DETAILS},
            },
            "request_id": _TEXT,
        },
    },
    "OpenAiError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["type", "message", "param", "code"],
                "properties": {"type": _TEXT, "message": _TEXT},
            }
        },
    },
}


def document() -> Json:
    """The whole document. Its bodies are made of pydantic models, which takes a while; make it once."""
    _, bodies = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REF)
    paths: dict[str, Json] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method] = _operation_json(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Caesura", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {**bodies["$defs"], **_ERRORS},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"key": []}, {"bearer": []}],
    }


def _operation_json(path: str, operation: _Operation) -> Json:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    headers = {**(_KEY if operation.wants_key else {}), **operation.headers}
    parameters: list[Json] = [
        *({"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names),
        *({"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()),
        *({"name": name, "in": "header", "schema": schema} for name, schema in headers.items()),
    ]
    error = {"schema": {"$ref": _REF.format(model=operation.error)}}
    body = {"required": True, "content": {operation.body_type: {"schema": operation.body}}}
    return {
        "summary": operation.summary,
        "parameters": parameters,
        **({"requestBody": body} if operation.body is not None else {}),
        "responses": {
            "200": {"description": "The answer.", "content": {kind: {} for kind in operation.answers}},
            "default": {"description": "An error.", "content": {_JSON: error}},
        },
    }
