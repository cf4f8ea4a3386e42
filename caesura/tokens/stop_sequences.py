"""Finds stop sequences in text that arrives in pieces.

The match that is complete first wins; of those complete at the same character, the longest. So what
matches does not depend on how the text is cut. All sequences are followed at once, one table look-up or
so a character however many they are (Aho and Corasick 1975).
Enters: pieces of text. Leaves: the text that may be shown, and the sequence that matched. A tail that
could still grow into a match is held back until it is decided. Read next: `parser.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True, eq=False)
class _Node:
    """What the end of the text so far has in common with the sequences' beginnings.

    depth: how many characters that is.
    children: by the next character.
    fallback: the node of the longest shorter tail that begins a sequence; None for the root.
    match: the longest sequence that ends here.
    """

    depth: int = 0
    children: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    fallback: _Node | None = None
    match: str | None = None

    def after(self, character: str) -> _Node:
        """The node one character further."""
        node = self
        while character not in node.children:
            if node.fallback is None:
                return node
            node = node.fallback
        return node.children[character]


class StopMatcher:
    """Follows one text; after the first match nothing more is shown."""

    def __init__(self, sequences: Sequence[str]) -> None:
        """Raises ValueError for an empty sequence, which would match everywhere."""
        if not all(sequences):
            raise ValueError("a stop sequence is empty; it needs at least one character")
        self._root = self._node = _automaton(sequences) if sequences else None
        self._held = ""
        self._matched: str | None = None

    def restart(self) -> None:
        """Go on with another text; what is held back of this one is forgotten."""
        self._node, self._held = self._root, ""

    def feed(self, text: str, *, is_last: bool = False) -> tuple[str, str | None]:
        """(text that is safe to show, the sequence that has matched or None)."""
        if self._matched is not None:
            return "", self._matched
        if self._node is None:
            return text, None
        known = len(self._held)
        self._held += text
        for position, character in enumerate(text, start=known + 1):
            self._node = self._node.after(character)
            if self._node.match is not None:
                self._matched = self._node.match
                return self._held[: position - len(self._matched)], self._matched
        keep = 0 if is_last else self._node.depth
        position = len(self._held) - keep
        passed, self._held = self._held[:position], self._held[position:]
        return passed, None


def _automaton(sequences: Sequence[str]) -> _Node:
    root = _Node()
    for sequence in sequences:
        node = root
        for character in sequence:
            node = node.children.setdefault(character, _Node(depth=node.depth + 1))
        node.match = sequence
    queue = deque(root.children.values())
    for node in root.children.values():
        node.fallback = root
    while queue:
        node = queue.popleft()
        for character, child in node.children.items():
            assert node.fallback is not None
            child.fallback = node.fallback.after(character)
            child.match = child.match or child.fallback.match
            queue.append(child)
    return root
