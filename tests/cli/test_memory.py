from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.cli.memory import memory_store
from caesura.server.memory_store import MemoryStore


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["memory", *words], env={"COLUMNS": "200"})


def remembering(folder: Path) -> MemoryStore:
    store = MemoryStore(folder)
    for tenant, text in (("workspace home", "likes tea"), ("", "likes coffee")):
        store.run(tenant, {"command": "create", "path": "/memories/a.md", "file_text": text})
    return store


def test_memories_are_listed_by_whose_they_are(tmp_path: Path) -> None:
    remembering(tmp_path)
    listed = run("list", "--memory-folder", str(tmp_path))
    assert listed.exit_code == 0
    for word in ("home", "everyone", "/memories/a.md", "9 bytes"):
        assert word in listed.stdout


def test_an_empty_folder_has_nothing_to_list(tmp_path: Path) -> None:
    assert "nothing is remembered" in run("--memory-folder", str(tmp_path / "none")).stdout


def test_a_file_is_shown_once_it_is_clear_whose(tmp_path: Path) -> None:
    remembering(tmp_path)
    unclear = run("show", "/memories/a.md", "--memory-folder", str(tmp_path))
    assert unclear.exit_code == 1
    assert "several memories hold" in unclear.stderr
    shown = run("show", "/memories/a.md", "--memory-folder", str(tmp_path), "--tenant", "home")
    assert shown.stdout == "likes tea\n"


def test_a_path_that_leads_elsewhere_shows_nothing(tmp_path: Path) -> None:
    remembering(tmp_path)
    for path in ("/memories/../tenant", "", "/memories/b.md"):
        assert run("show", path, "--memory-folder", str(tmp_path)).exit_code == 1


def test_one_memory_is_cleared_and_the_other_stays(tmp_path: Path) -> None:
    store = remembering(tmp_path)
    cleared = run("clear", "--memory-folder", str(tmp_path), "--tenant", "home")
    assert cleared.exit_code == 0
    assert {each.tenant: len(each.entries) for each in store.all()} == {"workspace home": 0, "": 1}
    assert run("clear", "--memory-folder", str(tmp_path), "--tenant", "nobody").exit_code == 1


def test_a_file_is_no_folder_for_a_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "is no folder" in run("list", "--memory-folder", str(tmp_path / "file")).stderr
    assert memory_store(None) is None
