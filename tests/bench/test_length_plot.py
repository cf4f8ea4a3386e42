from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.length_plot import fit, plot

LENGTHS = (1000, 2000, 4000, 8000, 32_000, 100_000, 199_000)


@given(st.floats(0, 0.1), st.floats(1e-5, 1e-3), st.floats(0, 1e-8))
def test_a_curve_is_found_again_from_its_points(fixed_s: float, token_s: float, pair_s: float) -> None:
    curve = fit({n: [fixed_s + token_s * n + pair_s * n**2] for n in LENGTHS})
    assert curve.worst_error < 1e-6
    assert curve.token_s == pytest.approx(token_s, rel=1e-3)
    for length in LENGTHS:
        expected = fixed_s + token_s * length + pair_s * length**2
        assert curve.seconds(length) == pytest.approx(expected, rel=1e-6)


def test_no_number_of_the_curve_is_negative() -> None:
    curve = fit({1000: [0.5], 2000: [1.5], 4000: [2.5], 8000: [4.0]})
    assert min(curve.fixed_s, curve.token_s, curve.pair_s) >= 0
    assert 0 < curve.worst_error < 1


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    times_s = {n: [1e-4 * n, 1.1e-4 * n] for n in LENGTHS}
    plot(tmp_path / "images" / "p.png", times_s, fit(times_s))
    assert (tmp_path / "images" / "p.png").read_bytes().startswith(b"\x89PNG")
