"""Builds `step.cpp` with the machine's own compiler, once for each processor, compiler and text.

What decides how a build comes out is in its name, so a build is either there and right or not there. It is
written under another name and renamed, so processes that start at once disturb nobody. Without a compiler, or
where it fails, one line of the log says so. Enters: a folder. Leaves: a `Library`, or None. Read next:
`library.py`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from caesura.engine.native.library import Library

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("step.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-w")
_COMPILERS = ("c++", "g++", "clang++")
# It takes some four seconds on an idle core.
_TIMEOUT_S = 60.0


class BuildError(Exception):
    """Why there is no library."""


class Build:
    """A library that is being built beside whatever else happens, such as reading a model."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str] = os.environ, flags: Sequence[str] = FLAGS
    ) -> None:
        """folder: where builds are kept. environment: may name a compiler as CXX."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="caesura-build")
        self._library = executor.submit(partial(_library_or_none, folder, environment, flags))
        executor.shutdown(wait=False)

    def library(self) -> Library | None:
        """The library, as soon as it is there; None where it cannot be built."""
        return self._library.result()


def build(folder: Path, compiler: str, flags: Sequence[str] = FLAGS) -> Library:
    """The library in this folder, built if it is not there. Raises BuildError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder)
        path = folder / f"step-{_digest(compiler, flags)}.so"
        return _opened(path) or _compiled(path, compiler, flags)
    except (OSError, AttributeError) as error:
        raise BuildError(f"{folder}: {error}") from error


def found_compiler(environment: Mapping[str, str]) -> str:
    """The compiler's path. Raises BuildError where there is none."""
    names = (environment["CXX"],) if environment.get("CXX") else _COMPILERS
    found = (shutil.which(name, path=environment.get("PATH")) for name in names)
    path = next(filter(None, found), None)
    if path is None:
        raise BuildError(f"no C++ compiler is installed ({', '.join(names)})")
    return path


def _library_or_none(folder: Path, environment: Mapping[str, str], flags: Sequence[str]) -> Library | None:
    try:
        return build(folder, found_compiler(environment), flags)
    except BuildError as error:
        log.warning("steps are computed by torch's operators, for nothing native could be built: %s", error)
        return None


def _check_private(folder: Path) -> None:
    """Whoever can write there decides what this process runs."""
    status = folder.stat()
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise BuildError(f"{folder} can be written by others; `chmod 700` it, or remove it")


def _digest(compiler: str, flags: Sequence[str]) -> str:
    """What the compiler says of itself and of the processor, with the flags and the text."""
    macros = _run([compiler, *flags, "-dM", "-E", "-x", "c++", "-"])
    return hashlib.sha256("\0".join((macros, *flags)).encode() + SOURCE.read_bytes()).hexdigest()[:32]


def _opened(path: Path) -> Library | None:
    """None if it is not there, or damaged: it is built anew then."""
    try:
        return Library(path) if path.is_file() else None
    except (OSError, AttributeError):
        return None


def _compiled(path: Path, compiler: str, flags: Sequence[str]) -> Library:
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(descriptor)
    try:
        _run([compiler, *flags, "-o", name, str(SOURCE)])
        os.replace(name, path)
        return Library(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} took longer than {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise BuildError(f"{command[0]}: {lines[0]}")
    return done.stdout
