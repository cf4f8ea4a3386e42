"""Formulas on one line."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from caesura.train.mathml import linear


def written(inner: str) -> str:
    return linear(fromstring(f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inner}</math>')).strip()


FRACTION = "<mfrac><mn>3</mn><mn>4</mn></mfrac>"
SUM = "<mrow><mi>x</mi><mo>+</mo><mn>1</mn></mrow>"


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (SUM, "x + 1"),
        ("<mn>7</mn><mo>×</mo><mn>6</mn>", "7 * 6"),
        ("<mn>7</mn><mo>−</mo><mn>6</mn><mo>≤</mo><mi>y</mi>", "7 - 6 <= y"),
        ("<mn>0</mn><mo>,</mo><mn>5.2</mn><mo>.</mo>", "0, 5.2."),
        (FRACTION, "3/4"),
        (f"<mn>2</mn>{FRACTION}", "2 3/4"),
        (f"<mfrac>{SUM}{SUM}</mfrac>", "(x + 1)/(x + 1)"),
        ("<mfrac><mrow><mn>2</mn><mi>m</mi></mrow><mrow><mn>3</mn><mi>n</mi></mrow></mfrac>", "2m/(3n)"),
        ("<msup><mi>x</mi><mn>2</mn></msup>", "x^2"),
        ("<msup><mi>x</mi><mrow><mo>−</mo><mn>2</mn></mrow></msup>", "x^(- 2)"),
        (f"<msup>{FRACTION}<mi>n</mi></msup>", "(3/4)^n"),
        ("<mo>(</mo><mi>n</mi><msup><mo>)</mo><mn>2</mn></msup>", "(n)^2"),
        ("<msub><mi>a</mi><mn>1</mn></msub>", "a_1"),
        ("<msubsup><mi>χ</mi><mn>4</mn><mn>2</mn></msubsup>", "χ_4^2"),
        ("<msub><mi>log</mi><mn>5</mn></msub><mn>21</mn>", "log_5 21"),
        ("<mi>ln</mi><mi>x</mi>", "ln x"),
        ("<mn>4</mn><msqrt><mn>3</mn></msqrt>", "4sqrt(3)"),
        ("<mroot><mn>16</mn><mn>4</mn></mroot>", "root(16, 4)"),
        ("<mfenced><mi>a</mi><mi>b</mi></mfenced>", "(a, b)"),
        ("<mover><mi>X</mi><mo>¯</mo></mover>", "X¯"),
        ("<mn>3</mn><mo>,</mo><mspace width='0.2em'/><mtext>and</mtext>", "3,  and"),
        ("<mn>3</mn><mo>\u2062</mo><mi>x</mi>", "3x"),
        ("<mfrac><mn>3</mn></mfrac>", "3"),
    ],
)
def test_a_formula_is_written_on_one_line(inner: str, text: str) -> None:
    assert written(inner) == text


def test_rows_of_a_system_stand_on_lines_of_their_own() -> None:
    row = "<mtr><mtd><mi>{}</mi></mtd><mtd><mo>=</mo></mtd><mtd><mn>1</mn></mtd></mtr>"
    system = f"<mo>{{</mo><mtable>{row.format('x')}{row.format('y')}</mtable>"
    assert written(system) == "{x = 1\ny = 1"
