"""A build is there and right, or not there."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from caesura.kernels.building import FLAGS, Build, BuildError, build, found_compiler

# Builds that are not run need not be fast.
QUICK = ("-O0", *FLAGS[1:])


def noting(compiler: str, folder: Path) -> tuple[str, Path]:
    """The compiler behind a script that notes each call, and the notes."""
    script, notes = folder / "compiler", folder / "notes"
    script.write_text(f'#!/bin/sh\necho "$@" >> {notes}\nexec {compiler} "$@"\n')
    script.chmod(0o700)
    return str(script), notes


def num_compiled(notes: Path) -> int:
    return sum(" -o " in line for line in notes.read_text().splitlines())


def test_what_was_built_is_not_built_again(compiler: str, tmp_path: Path) -> None:
    script, notes = noting(compiler, tmp_path)
    for _ in range(2):
        assert build(tmp_path / "builds", script, QUICK).takes(64)
    assert num_compiled(notes) == 1
    assert build(tmp_path / "builds", script, [*QUICK, "-DCAESURA_PLAIN"]).takes(64)
    assert num_compiled(notes) == 2, "other flags are another build"


def test_builds_that_start_at_once_disturb_nobody(compiler: str, tmp_path: Path) -> None:
    script, notes = noting(compiler, tmp_path)
    environment = {"CXX": script, "PATH": os.environ["PATH"]}
    builds = [Build(tmp_path / "builds", environment, QUICK) for _ in range(2)]
    assert all((library := each.library()) and library.takes(64) for each in builds)
    assert num_compiled(notes) >= 1
    assert [path.suffix for path in (tmp_path / "builds").iterdir()] == [".so"]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(content: bytes) -> bytes:
    """As after a crash that lost the last blocks."""
    return cut(content) + bytes(len(content) - len(content) // 2)


@pytest.mark.parametrize("damage", [cut, emptied])
def test_a_damaged_build_is_built_anew(
    compiler: str, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    script, notes = noting(compiler, tmp_path)
    # Not loaded here, for what a process has loaded it does not load again.
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    build(tmp_path / "elsewhere", script, QUICK)
    (whole,) = (tmp_path / "elsewhere").iterdir()
    (tmp_path / "builds").mkdir(mode=0o700)
    damaged = tmp_path / "builds" / whole.name
    damaged.write_bytes(damage(whole.read_bytes()))
    damaged.chmod(0o700)
    for _ in range(2):
        assert build(tmp_path / "builds", script, QUICK).takes(64)
        assert num_compiled(notes) == 2


def test_a_build_that_others_can_have_changed_is_refused(compiler: str, tmp_path: Path) -> None:
    build(tmp_path / "builds", compiler, QUICK)
    (path,) = (tmp_path / "builds").iterdir()
    path.chmod(0o777)
    with pytest.raises(BuildError, match="not yours alone"):
        build(tmp_path / "builds", compiler, QUICK)


def test_what_a_killed_build_has_left_is_removed_later(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "builds").mkdir(mode=0o700)
    old, fresh = tmp_path / "builds" / "old.part", tmp_path / "builds" / "fresh.part"
    for path in (old, fresh):
        path.touch()
    os.utime(old, (1.0, 1.0))
    build(tmp_path / "builds", compiler, QUICK)
    assert (old.exists(), fresh.exists()) == (False, True), "the other may be another process's"


def test_without_a_compiler_there_is_none_and_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert Build(tmp_path / "builds", {"PATH": str(tmp_path)}).library() is None
    (record,) = caplog.records
    assert "torch's operators" in record.getMessage()
    assert "no C++ compiler is installed (c++, g++, clang++)" in record.getMessage()
    assert not (tmp_path / "builds").exists()


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = tmp_path / "mine"
    script.write_text("#!/bin/sh\necho 'no such processor' >&2\necho more >&2\nexit 3\n")
    script.chmod(0o700)
    with caplog.at_level(logging.WARNING):
        assert Build(tmp_path / "builds", {"CXX": str(script)}).library() is None
    (record,) = caplog.records
    assert f"{script}: no such processor" in record.getMessage()
    assert list((tmp_path / "builds").iterdir()) == []


def test_a_compiler_may_speak_in_any_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = tmp_path / "mine"
    script.write_bytes(b"#!/bin/sh\nprintf 'In file \\377\\n1: error: no \\374ber\\n' >&2\nexit 1\n")
    script.chmod(0o700)
    with caplog.at_level(logging.WARNING):
        assert Build(tmp_path / "builds", {"CXX": str(script)}).library() is None
    (record,) = caplog.records
    assert "1: error: no \ufffdber" in record.getMessage()


def test_the_compiler_that_the_environment_names_is_taken(compiler: str, tmp_path: Path) -> None:
    script, _ = noting(compiler, tmp_path)
    assert found_compiler({"CXX": script, "PATH": os.environ["PATH"]}) == script
    with pytest.raises(BuildError, match="nowhere-at-all"):
        found_compiler({"CXX": "nowhere-at-all", "PATH": os.environ["PATH"]})


def test_a_folder_that_others_can_write_to_is_refused(compiler: str, tmp_path: Path) -> None:
    folder = tmp_path / "builds"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(BuildError, match="not yours alone"):
        build(folder, compiler)
