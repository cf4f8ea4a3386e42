"""Written solutions: the family's own reasoning under the conditions that sampled replies have."""

from __future__ import annotations

from dataclasses import replace

import torch

from caesura.engine.sampler import MaskTable
from caesura.evals.tasks import is_correct
from caesura.rl.curriculum import KINDS, CurriculumConfig, Group, Kind, first_rates, groups
from caesura.rl.imitation import written
from caesura.tokens import CaesuraFormat, Tokenizer

CONFIG = CurriculumConfig(num_groups=24, most_budget=40)


def posed(kind: Kind) -> list[Group]:
    config = replace(CONFIG, shares={kind: 1.0})
    return groups(0, first_rates(config), config)


def test_a_written_solution_is_right_and_keeps_its_budget(tokenizer: Tokenizer) -> None:
    chat_format = CaesuraFormat(tokenizer)
    tokens = chat_format.phase_tokens
    for kind in KINDS:
        for group in posed(kind):
            reply = written(group, chat_format)
            assert is_correct(group.problem, reply.text)
            assert reply.has_thought is (kind != "disabled")
            assert reply.thinking_tokens <= reply.budget + len(tokens.closing)
            forced = [token for token, ok in zip(reply.reply, reply.is_sampled, strict=True) if not ok]
            assert forced == ([*tokens.closing, tokens.end_think] if reply.is_cut else [])


def test_some_thoughts_are_cut_by_small_budgets_and_none_where_there_is_room(tokenizer: Tokenizer) -> None:
    chat_format = CaesuraFormat(tokenizer)
    assert any(written(group, chat_format).is_cut for group in posed("limited"))
    assert not any(written(group, chat_format).is_cut for group in posed("enabled"))


def test_every_learnt_token_could_have_been_drawn(tokenizer: Tokenizer) -> None:
    chat_format = CaesuraFormat(tokenizer)
    size = tokenizer.vocab_size
    penalties = MaskTable.build(
        chat_format.phase_tokens, num_words=size, vocab_size=size, device=torch.device("cpu")
    )
    for kind in KINDS:
        for group in posed(kind):
            reply = written(group, chat_format)
            rows = penalties.penalties_PV[penalties.rows(reply.masks)]
            for token, row, is_learnt in zip(reply.reply, rows, reply.is_sampled, strict=True):
                assert not is_learnt or float(row[token]) == 0.0
