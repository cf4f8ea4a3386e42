"""What the catalogue says of one data set: its file, its licence, and where it comes from.

Enters: nothing. Leaves: `Origin` and `DataSet`. Read next: `sets.py`, which opens them; `text_sets.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.train.convert import Converter


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Files of a public repository at a fixed commit.

    repository: owner and name on GitHub.
    commit: the commit that the licence was read at.
    paths: exact paths, fetched one by one; or, where one contains `*`, patterns inside the archive.
    licence_paths: where the licence may lie, in the order to try.
    """

    repository: str
    commit: str
    paths: tuple[str, ...]
    licence_paths: tuple[str, ...] = ("LICENSE", "LICENSE.md", "LICENSE.txt", "README.md", "readme.md")

    @property
    def is_archive(self) -> bool:
        """Whether the paths are patterns, so that the whole archive has to be fetched."""
        return any("*" in path for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One file of rows.

    name: what recipes call it.
    file: the path inside the data folder.
    licence: the licence of its rows (some sets carry one per row as well).
    use: what the recipes make of it.
    origins: where `fetch` brings it from.
    converter: from the raw files to rows; None where only the raw files are kept.
    """

    name: str
    file: str
    licence: str
    use: str
    origins: tuple[Origin, ...]
    converter: Converter | None

    @property
    def folder(self) -> str:
        """The set's folder inside the data folder; files of one origin share it."""
        return self.file.partition("/")[0]
