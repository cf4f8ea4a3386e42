from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from caesura.engine.core import Finished
from caesura.engine.outbox import Outbox
from caesura.engine.streams import News, Receiver
from caesura.messages.content import TextBlock
from caesura.messages.errors import ApiError
from caesura.messages.events import BlockStart, BlockStop, TextDelta, ThinkingDelta, merge_deltas
from caesura.messages.response import Usage

MAX_WAIT_S = 1.0
START = BlockStart(index=0, block=TextBlock(text=""))
END = Finished(
    reason="end",
    stop_sequence=None,
    usage=Usage(input_tokens=1),
    output=(),
    is_forced=(),
    log_probs=(),
)
TEXTS = st.builds(TextDelta, index=st.integers(0, 1), text=st.text(max_size=3))
THOUGHTS = st.builds(
    ThinkingDelta, index=st.integers(0, 1), thinking=st.text(max_size=3), num_tokens=st.integers(0, 2)
)
NEWS: st.SearchStrategy[News] = st.one_of(TEXTS, THOUGHTS, st.just(START), st.just(BlockStop(index=0)))


def text(words: str) -> TextDelta:
    return TextDelta(index=0, text=words)


@dataclass(kw_only=True)
class Desk:
    """An outbox, a clock that is set by hand, and receivers that note what they are told."""

    now_s: float = 100.0
    told: list[list[News]] = field(default_factory=lambda: [[], []])

    def __post_init__(self) -> None:
        self.outbox = Outbox(max_wait_s=MAX_WAIT_S, clock=lambda: self.now_s)
        self.receivers = [Receiver(None, self._noting(number)) for number in range(2)]

    def _noting(self, number: int) -> Callable[[Sequence[News]], None]:
        return lambda news: self.told[number].extend(news)

    def step(self, *news: Sequence[News], after_s: float = 0.0) -> int:
        """What a step of the engine does; returns how many receivers were told something."""
        self.now_s += after_s
        for receiver, brought in zip(self.receivers, news, strict=False):
            self.outbox.put(receiver, brought)
        due = self.outbox.take_due()
        for receiver, brought in due:
            receiver.receive(brought)
        return len(due)


def test_deltas_wait_and_become_one() -> None:
    desk = Desk()
    assert desk.step([START, text("a")]) == 1
    assert desk.step([text("b")], after_s=0.25) == 0
    assert desk.step([text("c")], after_s=0.5) == 0
    assert desk.step([text("d")], after_s=0.5) == 1
    assert desk.told[0] == [START, text("a"), text("bcd")]
    assert desk.step(after_s=5.0) == 0


def test_steps_that_take_longer_than_the_wait_are_told_at_once() -> None:
    desk = Desk()
    for number in range(1, 4):
        assert desk.step([text("a")], after_s=MAX_WAIT_S) == 1
        assert len(desk.told[0]) == number


def test_a_step_that_brings_nothing_lets_go_of_what_is_due() -> None:
    desk = Desk()
    desk.step([START, text("a")])
    assert desk.step([text("b")], after_s=0.25) == 0
    assert desk.step(after_s=0.5) == 0
    assert desk.step(after_s=0.25) == 1
    assert desk.told[0][-1] == text("b")


def test_what_is_no_delta_leaves_at_once_and_takes_the_rest_along() -> None:
    ends: tuple[News, ...] = (START, BlockStop(index=0), END, ApiError("it failed"))
    for urgent in ends:
        desk = Desk()
        desk.step([START], [START])
        assert desk.step([text("a")], [text("b")]) == 0
        assert desk.step([text("a"), urgent]) == 2
        assert desk.told == [[START, text("aa"), urgent], [START, text("b")]]
        assert desk.step([text("c")], after_s=MAX_WAIT_S - 0.25) == 0


STEPS = st.lists(
    st.tuples(
        st.lists(NEWS, max_size=3), st.lists(NEWS, max_size=3), st.sampled_from([0.0, 0.25, 0.75, 1.0, 3.0])
    )
)


@given(STEPS)
def test_nothing_is_lost_altered_or_late(steps: list[tuple[list[News], list[News], float]]) -> None:
    desk = Desk()
    put: list[list[News]] = [[], []]
    waiting: list[News] = []
    told_at_s = desk.now_s
    for first, second, after_s in steps:
        put[0] += first
        put[1] += second
        waiting += [*first, *second]
        if desk.step(first, second, after_s=after_s):
            told_at_s = desk.now_s
            waiting.clear()
        assert not waiting or desk.now_s - told_at_s < MAX_WAIT_S
        assert all(isinstance(each, TextDelta | ThinkingDelta) for each in waiting)
    desk.step(after_s=MAX_WAIT_S)
    assert [merge_deltas(told) for told in desk.told] == [merge_deltas(each) for each in put]
