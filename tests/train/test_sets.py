"""The catalogue and the reader of data sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from caesura.messages.errors import DataError
from caesura.train.safety_sets import FILES
from caesura.train.sets import SETS, data_folder, open_set


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / SETS[name].file
    path.parent.mkdir(parents=True)
    path.write_bytes(zstandard.compress(content) if path.suffix == ".zst" else content)
    return path


@pytest.mark.parametrize("name", ["chatterbot", "stories"])
def test_rows_come_back_in_order_compressed_or_not(tmp_path: Path, name: str) -> None:
    rows = [{"id": str(number), "text": "one\u2028line\x85still"} for number in range(3)]
    put(tmp_path, name, b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))
    assert list(open_set(tmp_path, name)) == rows


@pytest.mark.parametrize("name", ["chatterbot", "stories"])
def test_a_bad_row_names_file_and_line(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, b'{"id": 1}\n{"id": \n{"id": 3}\n')
    with pytest.raises(DataError, match=rf"{path.name}, line 2: "):
        list(open_set(tmp_path, name))


def test_a_row_that_is_no_object_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "chatterbot", b"[1, 2]\n")
    with pytest.raises(DataError, match=r"line 1: .*not list"):
        list(open_set(tmp_path, "chatterbot"))


def test_invalid_utf8_names_file_and_line(tmp_path: Path) -> None:
    put(tmp_path, "chatterbot", b'{"id": 1}\n{"id": "\xff"}\n')
    with pytest.raises(DataError, match="line 2"):
        list(open_set(tmp_path, "chatterbot"))


def test_a_damaged_compressed_file_is_a_data_error(tmp_path: Path) -> None:
    path = put(tmp_path, "stories", b'{"id": 1}\n' * 1000)
    path.write_bytes(b"no zstandard frame")
    with pytest.raises(DataError, match=path.name):
        list(open_set(tmp_path, "stories"))


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="CAESURA_DATA"):
        open_set(tmp_path, "stories")


def test_an_unknown_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="stories"):
        open_set(tmp_path, "storeis")


def test_the_folder_comes_from_the_environment_or_is_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAESURA_DATA", "/somewhere")
    assert data_folder() == Path("/somewhere")
    monkeypatch.delenv("CAESURA_DATA")
    assert data_folder() == Path("data")


def test_every_set_has_a_place_a_licence_and_an_origin() -> None:
    assert len({data_set.file for data_set in SETS.values()}) == len(SETS)
    for name, data_set in SETS.items():
        assert data_set.name == name
        assert data_set.licence
        assert data_set.origins
        assert all(origin.paths and len(origin.commit) >= 12 for origin in data_set.origins)
    assert [name for name, data_set in SETS.items() if data_set.converter is None] == ["textbooks"]


def test_every_set_that_measures_safety_can_be_fetched() -> None:
    assert len(FILES) > 10
    assert all(SETS[name].file == file and SETS[name].converter for name, file in FILES.items())
