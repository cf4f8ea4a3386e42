"""Linear equations modulo a prime, in one or two unknowns; the two-unknown ones by determinants."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_ONE = (
    "Solve {a}x+{b}={c} modulo {p}. What is x?",
    "Which x satisfies {a}x+{b}={c} modulo {p}?",
    "Modulo {p}, {a}x+{b}={c}. Find x.",
)
_TWO = (
    "Solve {a}x+{b}y={e} and {c}x+{d}y={f} modulo {p}. What is x?",
    "Modulo {p}, {a}x+{b}y={e} and {c}x+{d}y={f}. Find x.",
    "Which x satisfies {a}x+{b}y={e} and {c}x+{d}y={f} modulo {p}?",
)


def _make(rng: Random, difficulty: int) -> Problem:
    prime = (5, 7, 5, 7, 11)[difficulty - 1]
    return _two_unknowns(rng, prime) if difficulty > 2 else _one_unknown(rng, prime)


def _one_unknown(rng: Random, p: int) -> Problem:
    a, b, x = rng.randrange(2, p), rng.randrange(p), rng.randrange(p)
    c = (a * x + b) % p
    right = (c - b) % p
    steps = (f"{c}-{b}={c - b}={right}", f"{a}x={right}", *_divide(a, right, p))
    question = rng.choice(_ONE).format(a=a, b=b, c=c, p=p)
    return Problem(question=question, steps=steps, answer=str(x))


def _two_unknowns(rng: Random, p: int) -> Problem:
    while True:
        a, b, c, d = (rng.randrange(1, p) for _ in range(4))
        if (a * d - b * c) % p:
            break
    x, y = rng.randrange(p), rng.randrange(p)
    e, f = (a * x + b * y) % p, (c * x + d * y) % p
    below, under = _determinant(a, d, b, c, p)
    above, over = _determinant(e, d, b, f, p)
    question = rng.choice(_TWO).format(a=a, b=b, c=c, d=d, e=e, f=f, p=p)
    steps = (*under, *over, f"{below}x={above}", *_divide(below, above, p))
    return Problem(question=question, steps=steps, answer=str(x))


def _determinant(a: int, d: int, b: int, c: int, p: int) -> tuple[int, list[str]]:
    first, second = a * d % p, b * c % p
    value = (first - second) % p
    lines = [
        f"{a}*{d}={a * d}={first}",
        f"{b}*{c}={b * c}={second}",
        f"{first}-{second}={first - second}={value}",
    ]
    return value, lines


def _divide(a: int, right: int, p: int) -> list[str]:
    """Try 0, 1, 2 ... until a times it is the right side."""
    lines: list[str] = []
    for candidate in range(p):
        lines.append(f"{candidate}:{a}*{candidate}={a * candidate}={a * candidate % p}")
        if a * candidate % p == right:
            break
    return lines


FAMILY = Family(name="equations", title="linear equations mod p", make=_make, chance=0.17)
