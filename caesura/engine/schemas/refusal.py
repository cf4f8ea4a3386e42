"""Why a schema is refused, and how much work one may cause.

Enters: nothing. Leaves: the error that names keyword and place, and the measure of work. Read next:
`places.py`.
"""

from __future__ import annotations

from collections.abc import Callable

Pointer = tuple[str, ...]


class SchemaRefusedError(ValueError):
    """A schema that cannot be enforced.

    pointer: where in the schema, the keyword last; empty for the schema as a whole.
    reason: in words that follow a colon.
    document: which schema, where there are several.
    """

    def __init__(self, pointer: Pointer, reason: str, *, document: int = 0) -> None:
        super().__init__(": ".join([".".join(pointer), reason] if pointer else [reason]))
        self.pointer = pointer
        self.reason = reason
        self.document = document

    @property
    def keyword(self) -> str:
        """The keyword that is to blame; empty for the schema as a whole."""
        return self.pointer[-1] if self.pointer else ""


# Asking a thread's clock takes microseconds, which a few steps do not.
_STEPS_A_LOOK = 32


class Effort:
    """What a schema may cost: so many steps, and so many seconds of a clock that never goes back."""

    def __init__(self, *, max_steps: int, deadline_s: float, clock: Callable[[], float]) -> None:
        self._left = self._looked_at = max_steps
        self._max_steps = max_steps
        self._clock = clock
        self._end_s = clock() + deadline_s
        self._deadline_s = deadline_s

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; never below 0."""
        return max(0.0, self._end_s - self._clock())

    def spend(self, pointer: Pointer, steps: int = 1) -> None:
        """Take some of it. Raises SchemaRefusedError where there is none left."""
        self._left -= steps
        if self._left < 0:
            raise SchemaRefusedError(pointer, f"the schema is too complex (over {self._max_steps} steps)")
        if self._looked_at - self._left < _STEPS_A_LOOK:
            return
        self._looked_at = self._left
        if not self.left_s:
            raise SchemaRefusedError(
                pointer, f"the schema is too complex (not compiled within {self._deadline_s:g} s)"
            )
