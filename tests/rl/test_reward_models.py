"""Rewards are added up by weight, and by the ids of what they are rewards of."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch

from caesura.messages.preferences import Dimension
from caesura.rl.reward_models import WEIGHTS, Rewards, combined, normalised

IDS = ("a", "b", "c", "d")
GROUPS = (0, 0, 1, 1)


def _rewards(**values: list[float]) -> dict[Dimension, Rewards]:
    all_values: Mapping[Dimension, list[float]] = {name: [0.0] * 4 for name in WEIGHTS} | values  # type: ignore
    return {name: Rewards(ids=IDS, values_N=torch.tensor(row)) for name, row in all_values.items()}


def test_the_weights_are_those_of_the_plan() -> None:
    assert WEIGHTS == {"helpful": 0.4, "harmless": 0.3, "honest": 0.2, "coherent": 0.1}


def test_each_reward_is_normalised_within_its_group_before_it_is_weighted() -> None:
    given = _rewards(helpful=[1.0, 3.0, 100.0, 500.0], coherent=[2.0, 1.0, 5.0, 5.0])
    found = combined(given, ids=IDS, groups=GROUPS)
    assert found.values_N.tolist() == pytest.approx([-0.4 + 0.1, 0.4 - 0.1, -0.4, 0.4])
    assert found.shares["coherent"].tolist() == pytest.approx([0.1, -0.1, 0.0, 0.0])


def test_a_large_spread_buys_no_weight() -> None:
    small, large = ([1.0, 0.0, 0.0, 1.0], [0.0, 1000.0, 1000.0, 0.0])
    found = combined(_rewards(helpful=small, harmless=large), ids=IDS, groups=GROUPS)
    assert found.values_N.tolist() == pytest.approx([0.1, -0.1, -0.1, 0.1])


def test_deviations_are_the_populations() -> None:
    found = normalised(torch.tensor([1.0, 2.0, 3.0]), ("x", "x", "x"))
    assert found.tolist() == pytest.approx([-math.sqrt(1.5), 0.0, math.sqrt(1.5)])


def test_groups_may_lie_scattered_and_be_of_one() -> None:
    found = normalised(torch.tensor([1.0, 7.0, 3.0]), ("x", "y", "x"))
    assert found.tolist() == pytest.approx([-1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (("a", "b", "d", "c"), "reward id 'd' stands where rollout 'c' is"),
        (("a", "b", "c"), "3 reward ids for 4 rollouts"),
    ],
)
def test_rewards_of_other_rollouts_are_refused(ids: tuple[str, ...], reason: str) -> None:
    given = _rewards()
    given["honest"] = Rewards(ids=ids, values_N=torch.zeros(len(ids)))
    with pytest.raises(ValueError, match=f"honest: {reason}"):
        combined(given, ids=IDS, groups=GROUPS)


def test_whatever_else_cannot_be_added_up_is_refused() -> None:
    with pytest.raises(ValueError, match="same id"):
        combined(_rewards(), ids=("a", "a", "c", "d"), groups=GROUPS)
    with pytest.raises(ValueError, match="3 groups were given for 4 rollouts"):
        combined(_rewards(), ids=IDS, groups=(0, 0, 1))
    without = _rewards()
    del without["coherent"]
    with pytest.raises(ValueError, match="there are rewards for"):
        combined(without, ids=IDS, groups=GROUPS)
    with pytest.raises(ValueError, match="helpful: a reward is no number"):
        combined(_rewards(helpful=[0.0, math.nan, 0.0, 0.0]), ids=IDS, groups=GROUPS)
    bad = _rewards()
    bad["helpful"] = Rewards(ids=IDS, values_N=torch.zeros(3))
    with pytest.raises(ValueError, match="helpful: rewards of shape"):
        combined(bad, ids=IDS, groups=GROUPS)
