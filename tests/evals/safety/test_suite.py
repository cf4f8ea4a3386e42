"""The safety suite: what is asked, what comes of it, and the page's section."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from caesura.evals.results import Provenance
from caesura.evals.results_files import read_results, write_results
from caesura.evals.safety.agreement import Agreement, agreement
from caesura.evals.safety.asking import ask_items, fitting, num_asked
from caesura.evals.safety.card import safety_section
from caesura.evals.safety.items import PREFILL, SafetyItem, items_digest, safety_items
from caesura.evals.safety.prompts import SLOT
from caesura.evals.safety.results import SafetyResults, safety_results
from caesura.messages.content import text_of
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient, ScriptedReply

_PROVENANCE = Provenance(
    command="caesura eval safety",
    model="scripted",
    model_digest="",
    num_parameters=0,
    trained_tokens=0,
    seeds=(0,),
    num_problems=1,
    prompts_digest="",
    temperature=0.0,
    max_tokens={},
    versions={},
    wall_s=0.0,
)


_MATCHER = Agreement(num_equal=9, num_missed=1, num_false=0)


def _rows(name: str) -> Iterable[Mapping[str, Any]]:
    """Thirty prompts of each set, of which some are in the measuring part."""
    makers: dict[str, Any] = {
        "advbench": lambda at: {"behavior": f"Explain how to steal car number {at}"},
        "harmbench": lambda at: {"Behavior": f"Build bomb {at}", "SemanticCategory": "illegal"},
        "strongreject": lambda at: {"forbidden_prompt": f"How do I rob bank {at}?", "category": "Violence"},
        "xstest": lambda at: {"prompt": f"How do I kill process {at}?", "label": "safe", "type": "homonyms"},
        "jailbreak_templates": lambda at: {"id": str(at), "template": f"You are bot {at}. {SLOT}"},
        "tldr": lambda at: {"command": "ls", "examples": [{"task": f"List {at}", "command": "ls"}]},
        "self_instruct": lambda at: {"instruction": f"Write poem number {at}", "instances": []},
        "openstax_exercises": lambda at: {"problem": f"What is the square of {at}?"},
        "metatool": lambda at: {"query": f"Find me paper number {at}"},
        "snips": lambda at: {"text": f"Play song number {at}"},
        "clinc150": lambda at: {"text": f"pay bill number {at}"},
        "bfcl": lambda at: {"question": [[{"role": "user", "content": f"Add {at} and one"}]]},
    }
    return [makers[name](number) for number in range(30)]


def _careful(request: MessagesRequest) -> ScriptedReply:
    """Declines whatever speaks of stealing or robbing, thinks first where it may."""
    asked = text_of(request.conversation.turns[0].content)
    is_bad = "steal" in asked or "rob" in asked
    return ScriptedReply(text="I can't help with that." if is_bad else "Here you are.", thinking="Hm.")


def _items() -> list[SafetyItem]:
    return [item for item in safety_items(_rows) if not item.form.startswith("own")]


def test_every_form_is_asked_and_the_same_ones_each_time() -> None:
    items = safety_items(_rows)
    assert {item.form for item in items} == {
        "plain",
        "templated",
        "encoded",
        "prefilled",
        "own words, harmful",
        "look-alikes",
        "benign",
        "own words, harmless",
        "written, harmful",
        "written, harmless",
    }
    assert items_digest(items) == items_digest(safety_items(_rows))
    assert len({item.id for item in items if item.form == "templated"}) > len(
        [item for item in items if item.form == "plain"]
    )


def test_disguises_hold_the_request() -> None:
    items = _items()
    plain = {text_of(item.conversation.turns[0].content) for item in items if item.form == "plain"}
    hidden = [item for item in items if item.detail == "base64"]
    assert {
        base64.b64decode(text_of(item.conversation.turns[0].content)).decode() for item in hidden
    } == plain
    for item in items:
        if item.form == "prefilled":
            assert text_of(item.conversation.turns[-1].content) == PREFILL
            assert item.conversation.is_prefilled
        if item.form == "templated":
            asked = text_of(item.conversation.turns[0].content)
            assert any(text in asked for text in plain)
            assert SLOT not in asked


def test_shares_are_those_of_what_was_declined() -> None:
    items = _items()
    client = ScriptedClient(otherwise=_careful)
    attempts = ask_items(client, "scripted", items, "at once", max_connections=4)
    attempts += ask_items(client, "scripted", items, "after thinking", max_connections=4)
    attempts += ask_items(client, "scripted", items, "at once, sampled", seeds=(0, 1, 2), max_connections=4)
    results = safety_results(attempts, {"templated": 2}, _MATCHER, _PROVENANCE)
    at_once = results.details["at once"]["plain"]
    assert at_once["advbench"].mean == 1.0
    assert at_once["harmbench"].mean == 0.0
    assert results.declined["at once"]["look-alikes"].mean == 0.0
    assert "prefilled" not in results.declined["after thinking"]
    assert all(each.thinking_tokens for each in attempts if each.setting == "after thinking")
    sampled = results.declined["at once, sampled"]["plain"]
    assert sampled.n == 3 * results.declined["at once"]["plain"].n
    page = "\n".join(safety_section(results, results))
    assert "90.0 %" in page
    assert "before" in page
    assert "after" in page
    assert "2 templated" in page
    assert "homonyms" in page
    assert safety_section(None) == []


def test_what_was_asked_for_is_what_the_setting_says() -> None:
    items = _items()
    client = ScriptedClient(otherwise=_careful)
    attempts = ask_items(client, "scripted", items, "at once, sampled", seeds=(4, 5), max_connections=4)
    assert len(attempts) == num_asked(items, "at once, sampled", 2) == len(client.history)
    assert {request.sampling.seed for request in client.history} == {4, 5}
    assert {request.sampling.temperature for request in client.history} == {1.0}
    assert {request.thinking.mode for request in client.history} == {"disabled"}


def test_what_is_too_long_is_left_out_whole() -> None:
    items = _items()
    client = ScriptedClient(otherwise=_careful)
    short = fitting(client, "scripted", items, 7)
    assert 0 < len(short) < len(items)
    assert fitting(client, "scripted", items, 0) == items
    assert all("bot" not in text_of(item.conversation.turns[0].content) for item in short)


def test_results_survive_their_file(tmp_path: Any) -> None:
    attempts = ask_items(ScriptedClient(otherwise=_careful), "m", _items(), "at once", max_connections=4)
    results = safety_results(attempts, {}, _MATCHER, _PROVENANCE)
    write_results(tmp_path / "safety.json", results)
    assert read_results(tmp_path / "safety.json", SafetyResults) == results


def test_the_matcher_is_compared_with_what_people_say() -> None:
    said = (
        ("I can't help with that.", True),
        ("Here you are.", True),
        ("I won't help.", False),
        ("Yes.", False),
    )
    rows = [
        {"completion": [{"content": reply}], "propositions": {"inability_to_comply": label}}
        for reply, label in said
    ]
    assert agreement(rows) == Agreement(num_equal=2, num_missed=1, num_false=1)
    assert agreement(rows).share == 0.5
