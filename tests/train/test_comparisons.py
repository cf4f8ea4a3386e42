"""Sets of what people judged, from their raw files to rows."""

from __future__ import annotations

import gzip
import hashlib
import json

from caesura.train import comparisons


def _transcript(question: str, reply: str) -> str:
    return f"\n\nHuman: {question}\n\nAssistant: {reply}"


def _pairs(*rows: tuple[str, str]) -> bytes:
    lines = [
        json.dumps({"chosen": _transcript(asked, "No."), "rejected": _transcript(asked, reply)})
        for asked, reply in rows
    ]
    return gzip.compress("\n".join(lines).encode())


def test_half_of_the_transcripts_is_left_out_by_the_first_question() -> None:
    asked = [f"What is {number}?" for number in range(200)]
    rows = list(comparisons.transcripts({"a/test.jsonl.gz": _pairs(*((each, "Yes.") for each in asked))}))
    kept = {row["chosen"].split("Human: ")[1].split("\n\n")[0] for row in rows}
    assert kept == {each for each in asked if hashlib.sha256(each.lower().encode()).digest()[0] % 2 == 0}
    assert 60 < len(kept) < 140


def test_what_mixes_minors_and_sex_is_left_out() -> None:
    asked = next(
        text
        for text in (f"Question {number}" for number in range(99))
        if hashlib.sha256(text.lower().encode()).digest()[0] % 2 == 0
    )
    replies = ("a child", "sexual", "a sexual child")
    rows = list(comparisons.transcripts({"a.jsonl.gz": _pairs(*((asked, reply) for reply in replies))}))
    assert [row["rejected"].rsplit(": ", 1)[1] for row in rows] == ["a child", "sexual"]


def test_labelled_replies_are_kept_as_they_are_but_for_what_mixes_minors_and_sex() -> None:
    raw = [
        {
            "category": "None",
            "response_type": "Comply",
            "prompt": [{"role": "user", "content": asked}],
            "completion": [{"role": "assistant", "content": said}],
            "propositions": {"apology": False},
        }
        for asked, said in (("A child?", "Yes."), ("Sex?", "No."), ("A child?", "Sex."))
    ]
    lines = "\n".join(map(json.dumps, raw)).encode()
    assert list(comparisons.labelled_replies({"data/rbr_gold_data/train.jsonl": lines})) == raw[:2]


def test_rewarded_actions_are_parsed_and_a_tenth_is_left_out() -> None:
    names = [f"dlg-{number}" for number in range(300)]
    raw = [
        {
            "conversation_id": name,
            "context": json.dumps([{"role": "user", "text": "tea"}]),
            "generation": json.dumps({"role": "agent", "text": "Here."}),
            "reward": 1.0,
        }
        for name in names
    ]
    rows = list(comparisons.rewarded_actions({"g/TM-4-2024/reward/reward_00.json": json.dumps(raw).encode()}))
    assert rows[0]["id"].startswith("TM-4-2024/reward_00/")
    assert rows[0]["context"] == [{"role": "user", "text": "tea"}]
    assert rows[0]["action"] == {"role": "agent", "text": "Here."}
    kept = {row["conversation_id"] for row in rows}
    digests = {name: hashlib.sha256(name.encode()).digest() for name in names}
    assert kept == {name for name in names if int.from_bytes(digests[name][:4], "big") % 10}
    assert 240 < len(kept) < 300
