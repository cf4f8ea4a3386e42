"""Tool items from public sets: functions of BFCL's developer part, requests of MetaTool.

Enters: rows as their files hold them. Leaves: `ToolItem`s. Their texts are far from what the model was
trained on: long words, many arguments. Read next: `tool_items.py`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, cast

from caesura.evals.tool_items import ToolItem
from caesura.evals.tools import Call
from caesura.messages.content import Conversation, Tool, conversation

# Python's words for types in BFCL, and JSON Schema's.
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
_NUM_CHOICES = 4


def bfcl_items(rows: Iterable[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]]) -> list[ToolItem]:
    """One function, one question, one call. Arguments must be equal to those of the answer; BFCL itself
    compares what the functions give back, which is kinder.
    """
    truths = {row["id"]: row["ground_truth"] for row in answers}
    return [
        ToolItem(
            id=f"bfcl/{row['id']}",
            kind="bfcl_simple",
            aspect="decision",
            conversation=Conversation(
                turns=conversation(("user", row["question"][0][0]["content"])).turns,
                tools=tuple(map(_function, row["function"])),
            ),
            calls=tuple(map(python_call, truths[row["id"]])),
        )
        for row in rows
        if row["id"] in truths
    ]


def _function(fields: Mapping[str, Any]) -> Tool:
    schema = json_schema(fields["parameters"])
    name = str(fields["name"]).replace(".", "_")
    return Tool(name=name, description=fields["description"], input_schema=cast(dict[str, Any], schema))


def json_schema(node: Any) -> Any:
    """BFCL's schema as JSON Schema: other names for some types, and no `default` or `optional`."""
    if isinstance(node, list):
        return [json_schema(each) for each in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    fields = cast(dict[str, Any], node)
    kept = {key: json_schema(value) for key, value in fields.items() if key not in ("default", "optional")}
    if isinstance(kept.get("type"), str):
        kept["type"] = _TYPES.get(kept["type"], kept["type"])
    return kept


def python_call(text: str) -> Call:
    """`name(key=value, ...)` as a call. Raises ValueError for anything else."""
    parsed = ast.parse(text, mode="eval").body
    if not isinstance(parsed, ast.Call) or parsed.args:
        raise ValueError(f"{text!r} is not a call with named arguments")
    name = ast.unparse(parsed.func).replace(".", "_")
    arguments = {str(each.arg): _listed(ast.literal_eval(each.value)) for each in parsed.keywords}
    return Call(name, arguments, "")


def _listed(value: Any) -> Any:
    """The value as JSON holds it: tuples are lists."""
    if isinstance(value, list | tuple):
        return [_listed(each) for each in cast(list[Any], value)]
    return value


def is_kept_for_measuring(query: str) -> bool:
    """Whether a request of MetaTool is in the tenth that no recipe trains on."""
    digest = hashlib.sha256(query.lower().encode()).digest()
    return int.from_bytes(digest[:4], "big") % 10 == 1


def metatool_items(
    rows: Iterable[Mapping[str, str]], descriptions: Mapping[str, str], num: int
) -> list[ToolItem]:
    """Requests with four tools that take nothing; for every third request none of them serves it."""
    kept = [row for row in rows if is_kept_for_measuring(row["query"]) and row["tool"] in descriptions]
    rng = Random("eval/metatool")
    chosen = rng.sample(kept, min(num, len(kept)))
    return [_choice(rng, row, descriptions, is_absent=at % 3 == 2) for at, row in enumerate(chosen)]


def _choice(
    rng: Random, row: Mapping[str, str], descriptions: Mapping[str, str], *, is_absent: bool
) -> ToolItem:
    others = rng.sample([name for name in descriptions if name != row["tool"]], _NUM_CHOICES)
    names = others if is_absent else [row["tool"], *others[1:]]
    rng.shuffle(names)
    schema = {"type": "object", "properties": {}}
    tools = tuple(Tool(name=name, description=descriptions[name], input_schema=schema) for name in names)
    return ToolItem(
        id=f"metatool/{row['id']}",
        kind="metatool_none" if is_absent else "metatool",
        aspect="decision",
        conversation=Conversation(turns=conversation(("user", row["query"])).turns, tools=tools),
        calls=() if is_absent else (Call(row["tool"], {}, ""),),
    )
