"""A prompt under construction: what styles change, one after the other.

Enters: a request. Leaves: a `Draft`, and the conversation that it stands for. Read next: `styles.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.messages.content import Conversation, Role, conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One prompt.

    text: what the user says last. system: the instructions. before: the turns that come first, all made up.
    prefill: how the reply begins; the model goes on from there.
    """

    text: str
    system: str = ""
    before: tuple[tuple[Role, str], ...] = ()
    prefill: str = ""

    @property
    def turns(self) -> tuple[tuple[Role, str], ...]:
        """All turns in order."""
        last: tuple[tuple[Role, str], ...] = (("assistant", self.prefill),) if self.prefill else ()
        return (*self.before, ("user", self.text), *last)

    @property
    def conversation(self) -> Conversation:
        """What the model reads."""
        return conversation(*self.turns, system=self.system)

    @property
    def num_bytes(self) -> int:
        """The size of all text, which is at least the number of its tokens."""
        return len(self.system.encode()) + sum(len(text.encode()) for _, text in self.turns)
