"""What is posed: every kind in each step, as hard as it teaches, and the same again when asked again."""

from __future__ import annotations

from collections import Counter

import pytest

from caesura.rl.curriculum import (
    KINDS,
    Cell,
    CurriculumConfig,
    cell_weight,
    first_rates,
    groups,
    kind_counts,
    updated_rates,
)

CONFIG = CurriculumConfig(num_groups=20, num_siblings=6, num_tried=2)


def test_every_step_has_every_kind_and_the_counts_add_up() -> None:
    for num_groups in (4, 7, 20, 48):
        counts = kind_counts(CurriculumConfig(num_groups=num_groups))
        assert sum(counts.values()) == num_groups
        assert min(counts.values()) >= 1


def test_siblings_share_their_problem_and_budget_and_differ_in_seed() -> None:
    for group in groups(3, first_rates(CONFIG), CONFIG):
        assert len({ask.conversation for ask in group.asks}) == 1
        assert len({ask.budget for ask in group.asks}) == 1
        assert len({ask.seed for ask in group.asks}) == len({ask.id for ask in group.asks}) == 6
        assert not group.problem.is_held_out


def test_budgets_follow_the_kind() -> None:
    config = CurriculumConfig(num_groups=100, least_budget=16, most_budget=64)
    limited = set()
    for group in groups(0, first_rates(config), config):
        budget = group.asks[0].budget
        if group.cell.kind == "disabled":
            assert budget == 0
        elif group.cell.kind == "limited":
            limited.add(budget)
        else:
            assert budget >= len(group.problem.thinking)
    assert min(limited) >= 16
    assert max(limited) <= 64
    assert len(limited) > 5


def test_only_where_the_model_chooses_are_openings_tried() -> None:
    for group in groups(1, first_rates(CONFIG), CONFIG):
        tried = Counter(ask.opening for ask in group.asks)
        if group.cell.kind == "adaptive":
            assert tried == {"think": 2, "answer": 2, None: 2}
        else:
            assert tried == {None: 6}


def test_a_step_poses_the_same_again_and_another_step_something_else() -> None:
    rates = first_rates(CONFIG)
    assert groups(2, rates, CONFIG) == groups(2, rates, CONFIG)
    assert groups(2, rates, CONFIG) != groups(3, rates, CONFIG)


@pytest.mark.parametrize(
    ("rate", "weight"), [(0.1, 1.0), (0.5, 1.0), (0.8, 1.0), (0.9, 0.6), (1.0, 0.2), (0.05, 0.6), (0.0, 0.2)]
)
def test_between_a_tenth_and_four_fifths_cells_count_in_full(rate: float, weight: float) -> None:
    assert cell_weight(rate, CurriculumConfig(floor=0.2)) == pytest.approx(weight)


def test_what_is_always_solved_is_posed_less() -> None:
    config = CurriculumConfig(num_groups=400, floor=0.05)
    rates = first_rates(config)
    rates[:, 0] = 1.0
    posed = Counter(group.cell.family for group in groups(0, rates, config))
    assert posed["chain"] < 0.3 * posed["state"]


def test_means_move_by_their_memory_and_only_where_something_was_measured() -> None:
    rates = first_rates(CurriculumConfig(expected={"graph": 0.9}))
    cell = Cell("enabled", "graph", 2)
    moved = updated_rates(rates, [(cell, 0.0), (cell, 0.0)], memory=0.5)
    assert float(rates[cell.place]) == pytest.approx(0.9)
    assert float(moved[cell.place]) == pytest.approx(0.225)
    assert int((moved != rates).sum()) == 1
    assert float(rates[KINDS.index("disabled")].max()) == 0.5


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="compared with its siblings"):
        CurriculumConfig(num_siblings=1)
    with pytest.raises(ValueError, match="unknown"):
        CurriculumConfig(weights={"astrology": 2.0})
    with pytest.raises(ValueError, match="within"):
        CurriculumConfig(lowest=0.9, highest=0.8)
