"""What is installed: ranges in pyproject.toml, exact versions in constraints.txt."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
MAX_MODEL_BYTES = 25_000_000


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    return [Requirement(line) for line in lines if not line.startswith("caesura")]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): pinned for name, pinned in pairs}


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_pinned_within_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_the_tests_run_with_the_pinned_version(requirement: Requirement) -> None:
    installed = version(requirement.name).partition("+")[0]
    assert installed == pins()[canonicalize_name(requirement.name)]


def test_constraints_are_exact_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line) for line in lines)


def test_the_bundled_model_is_small_enough_to_travel() -> None:
    folder = ROOT / "caesura" / "bundled" / "nano"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= MAX_MODEL_BYTES
