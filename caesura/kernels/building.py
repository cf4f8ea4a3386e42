"""Builds `step.cpp` with the machine's own compiler, once for each processor, compiler and text.

What decides how a build comes out is in its name, and so is a hash of the file itself, so a build is either
there and right or not there. It is written under another name and renamed, so processes that start at once
disturb nobody. Without a compiler, or where it fails, one line of the log says so. Enters: a folder. Leaves:
a `Library`, or None. Read next: `library.py`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

from caesura.kernels.library import Library

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("step.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-w")
_COMPILERS = ("c++", "g++", "clang++")
# It takes some four seconds on an idle core.
_TIMEOUT_S = 120.0
# What a build that was killed has left behind is removed by one that comes so much later.
_LEFT_S = 3600.0


class BuildError(Exception):
    """Why there is no library."""


class Build:
    """A library that is being built beside whatever else happens, such as reading a model."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str] = os.environ, flags: Sequence[str] = FLAGS
    ) -> None:
        """folder: where builds are kept. environment: may name a compiler as CXX."""
        self._wanted = (folder, environment, flags)
        self._library: Library | None = None
        # A process that ends waits for no compiler.
        self._thread = Thread(target=self._run, name="caesura-build", daemon=True)
        self._thread.start()

    def library(self) -> Library | None:
        """The library, as soon as it is there; None where it cannot be built."""
        self._thread.join()
        return self._library

    def _run(self) -> None:
        try:
            self._library = _library_or_none(*self._wanted)
        except Exception:
            # The edge of a thread: torch's operators do the same.
            log.exception("nothing native could be built")


def build(folder: Path, compiler: str, flags: Sequence[str] = FLAGS) -> Library:
    """The library in this folder, built if it is not there. Raises BuildError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder)
        name = f"step-{_digest(compiler, flags)}"
        return _found(folder, name) or _compiled(folder, name, compiler, flags)
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


def _check_private(path: Path) -> None:
    """Whoever can write there decides what this process runs."""
    status = path.stat()
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise BuildError(f"{path} is not yours alone: others can have written to it; remove it")


def _digest(compiler: str, flags: Sequence[str]) -> str:
    """What the compiler says of itself and of the processor, with the flags and the text."""
    macros = _run([compiler, *flags, "-dM", "-E", "-x", "c++", "-"])
    return hashlib.sha256("\0".join((macros, *flags)).encode() + SOURCE.read_bytes()).hexdigest()[:32]


def _found(folder: Path, name: str) -> Library | None:
    """None if it is not there. A damaged one is removed, for loading it can end the process."""
    for path in folder.glob(f"{name}-*.so"):
        _check_private(path)
        if path.name == _full_name(name, path):
            return Library(path)
        path.unlink(missing_ok=True)
    return None


def _compiled(folder: Path, name: str, compiler: str, flags: Sequence[str]) -> Library:
    _remove_left(folder)
    descriptor, part = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(descriptor)
    try:
        _run([compiler, *flags, "-o", part, str(SOURCE)])
        # The linker has made another file of it, with other rights.
        os.chmod(part, 0o700)
        _write_through(part)
        path = folder / _full_name(name, Path(part))
        os.replace(part, path)
        return Library(path)
    finally:
        Path(part).unlink(missing_ok=True)


def _full_name(name: str, path: Path) -> str:
    return f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.so"


def _write_through(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left(folder: Path) -> None:
    for path in folder.glob("*.part"):
        # Another process may be removing the same.
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _LEFT_S:
                path.unlink()


def _run(command: Sequence[str]) -> str:
    """What the command prints, whatever the bytes that it speaks in."""
    try:
        done = subprocess.run(
            command, input="", capture_output=True, encoding="utf-8", errors="replace", timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} took longer than {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise BuildError(f"{command[0]}: {next((each for each in lines if 'error' in each), lines[0])}")
    return done.stdout
