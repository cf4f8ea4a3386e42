"""A larger model that helps to teach, behind any Messages server.

Enters: where it answers. Leaves: a `Speaker` for as long as it is needed. Read next: `revisions.py` and
`feedback.py`, which may ask one instead of using rules.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from caesura.constitution.asking import Speaker
from caesura.messages.remote import RemoteClient

# Who criticises, or compares: rules, the model that is taught, or a teacher.
Backend = Literal["rules", "self", "teacher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """Where a teacher answers.

    url: of a Messages server, without `/v1`. model: its name there; both are "" where there is no teacher.
    key_variable: the environment variable that holds its key; "" for none.
    """

    url: str = ""
    model: str = ""
    key_variable: str = ""

    def check(self, backend: Backend) -> None:
        """Raises ValueError if a teacher is named and not asked, or asked and not named."""
        if (backend == "teacher") != bool(self.url and self.model):
            raise ValueError(
                f"the backend is {backend!r}, and teacher.url {self.url!r}, teacher.model {self.model!r}: "
                "the backend 'teacher' needs both, and no other takes them"
            )

    @asynccontextmanager
    async def speaker(
        self, *, max_tokens: int, temperature: float = 1.0, budget_tokens: int = 0
    ) -> AsyncGenerator[Speaker]:
        """The teacher; its connections are closed on the way out. Raises ValueError for a missing key."""
        if self.key_variable and self.key_variable not in os.environ:
            raise ValueError(
                f"teacher.key_variable names {self.key_variable}, which is not in the environment"
            )
        key = os.environ[self.key_variable] if self.key_variable else None
        async with RemoteClient(self.url, key) as client:
            yield Speaker(
                client=client,
                model=self.model,
                max_tokens=max_tokens,
                temperature=temperature,
                budget_tokens=budget_tokens,
            )
