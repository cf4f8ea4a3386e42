"""The memory on disk: what its commands do, what they refuse, and each way out of the folder, tried."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caesura.server.memory_folder import MemoryLimits
from caesura.server.memory_paths import MAX_DEPTH, MAX_NAME_BYTES, MemoryRefusal, parts_of, path_of
from caesura.server.memory_store import MemoryAnswer, MemoryStore

SMALL = MemoryLimits(max_file_bytes=100, max_bytes=250, max_entries=6)


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path / "memory")


def create(store: MemoryStore, path: str, text: str = "x\n", tenant: str = "t") -> MemoryAnswer:
    return store.run(tenant, {"command": "create", "path": path, "file_text": text})


def view(store: MemoryStore, path: str = "/memories", tenant: str = "t", **more: Any) -> MemoryAnswer:
    return store.run(tenant, {"command": "view", "path": path, **more})


def files_folder(store: MemoryStore, tmp_path: Path) -> Path:
    """Where the one tenant's files lie."""
    return tmp_path / "memory" / store.all()[0].id / "files"


def test_an_empty_memory_can_be_viewed(store: MemoryStore) -> None:
    assert view(store) == MemoryAnswer(text="/memories is empty.")


def test_what_was_created_is_listed_and_shown(store: MemoryStore) -> None:
    assert not create(store, "/memories/a/b.md", "one\ntwo\n").is_error
    assert view(store).text == "In /memories:\n/memories/a/\n/memories/a/b.md (8 bytes)"
    shown = view(store, "/memories/a/b.md").text
    assert shown.splitlines()[1:3] == ["     1\tone", "     2\ttwo"]


def test_a_range_of_lines_is_shown(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "one\ntwo\nthree")
    assert view(store, "/memories/a.md", view_range=[2, -1]).text.splitlines()[1:] == [
        "     2\ttwo",
        "     3\tthree",
    ]
    for bad in ([0, 1], [3, 2], [1], "1-2", [True, 2]):
        assert view(store, "/memories/a.md", view_range=bad).is_error


def test_creating_again_overwrites_and_says_so(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "old")
    assert "overwritten" in create(store, "/memories/a.md", "new").text
    assert "new" in view(store, "/memories/a.md").text


def test_a_text_that_occurs_once_is_replaced(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "tea and cake")
    change = {"command": "str_replace", "path": "/memories/a.md", "old_str": "tea", "new_str": "coffee"}
    assert not store.run("t", change).is_error
    assert "coffee and cake" in view(store, "/memories/a.md").text
    assert "does not occur" in store.run("t", change).text


def test_a_text_that_occurs_twice_is_left(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "tea tea")
    change = {"command": "str_replace", "path": "/memories/a.md", "old_str": "tea", "new_str": "x"}
    assert "occurs 2 times" in store.run("t", change).text
    assert "tea tea" in view(store, "/memories/a.md").text


@pytest.mark.parametrize(
    ("line", "expected"), [(0, "new\na\nb\n"), (1, "a\nnew\nb\n"), (2, "a\nb\nnew\n"), (3, None), (-1, None)]
)
def test_lines_are_inserted_behind_a_line(store: MemoryStore, line: int, expected: str | None) -> None:
    create(store, "/memories/a.md", "a\nb\n")
    insert = {
        "command": "insert",
        "path": "/memories/a.md",
        "insert_line": line,
        "insert_text": "new\n",
    }
    assert store.run("t", insert).is_error == (expected is None)
    assert store.read(store.all()[0].id, ("a.md",)) == (expected or "a\nb\n")


def test_a_folder_is_deleted_with_what_is_in_it(store: MemoryStore) -> None:
    create(store, "/memories/a/b.md")
    create(store, "/memories/c.md")
    assert not store.run("t", {"command": "delete", "path": "/memories/a"}).is_error
    assert view(store).text == "In /memories:\n/memories/c.md (2 bytes)"
    assert store.run("t", {"command": "delete", "path": "/memories/a"}).is_error


def test_files_are_moved_but_never_over_others(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "a")
    create(store, "/memories/b.md", "b")
    move = {"command": "rename", "old_path": "/memories/a.md", "new_path": "/memories/b.md"}
    assert store.run("t", move).is_error
    assert not store.run("t", move | {"new_path": "/memories/deep/er/a.md"}).is_error
    assert "a" in view(store, "/memories/deep/er/a.md").text
    assert "b" in view(store, "/memories/b.md").text


def test_a_folder_is_not_moved_into_itself(store: MemoryStore) -> None:
    create(store, "/memories/a/b.md")
    move = {"command": "rename", "old_path": "/memories/a", "new_path": "/memories/a/c"}
    assert store.run("t", move).is_error
    assert not view(store, "/memories/a/b.md").is_error


def test_nothing_is_moved_deeper_than_a_path_reaches(store: MemoryStore) -> None:
    create(store, "/memories/" + "/".join("abcdefgh"[:MAX_DEPTH]))
    move = {"command": "rename", "old_path": "/memories/a", "new_path": "/memories/z/a"}
    assert "deep" in store.run("t", move).text


@pytest.mark.parametrize("command", ["delete", "create", "rename"])
def test_the_memory_itself_stays(store: MemoryStore, command: str) -> None:
    create(store, "/memories/a.md")
    given = {
        "command": command,
        "path": "/memories",
        "file_text": "x",
        "old_path": "/memories",
        "new_path": "/memories/b",
    }
    assert store.run("t", given).is_error
    assert not view(store, "/memories/a.md").is_error


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"command": "format"},
        {"command": ["view"]},
        {"command": "view"},
        {"command": "view", "path": 7},
        {"command": "create", "path": "/memories/a"},
        {"command": "insert", "path": "/memories/a", "insert_line": "1", "insert_text": "x"},
        {"command": "str_replace", "path": "/memories/a", "old_str": ""},
    ],
)
def test_a_call_that_lacks_something_is_told_so(store: MemoryStore, given: dict[str, Any]) -> None:
    answer = store.run("t", given)
    assert answer.is_error
    assert answer.text.startswith("Nothing was done: ")


OUTSIDE = {
    "step up": "/memories/../secret.md",
    "step up twice": "/memories/a/../../secret.md",
    "step up at the end": "/memories/a/..",
    "a single dot": "/memories/./a.md",
    "absolute": "/etc/passwd",
    "absolute inside": "/memories//etc/passwd",
    "relative": "memories/a.md",
    "a longer name": "/memories2/a.md",
    "other case": "/MEMORIES/a.md",
    "percent-encoded": "/memories/%2e%2e/secret.md",
    "percent-encoded twice": "/memories/%252e%252e%252fsecret.md",
    "backslashes": "/memories/..\\secret.md",
    "a drive": "/memories/C:/a.md",
    "a stream": "/memories/a.md:hidden",
    "NUL": "/memories/a.md\0.txt",
    "a newline": "/memories/a\nb.md",
    "full-width dots": "/memories/\uff0e\uff0e/secret.md",
    "full-width slash": "/memories/..\uff0fsecret.md",
    "two-dot leader": "/memories/\u2025/secret.md",
    "an override of direction": "/memories/a\u202egpj.md",
    "zero width": "/memories/a\u200b.md",
    "decomposed": "/memories/e\u0301.md",
    "hidden": "/memories/.bashrc",
    "only a space": "/memories/ /a.md",
    "trailing dot": "/memories/a./b.md",
    "trailing space": "/memories/a.md ",
    "a device": "/memories/con.txt",
    "home": "~/a.md",
    "half a character": "/memories/\ud800.md",
    "a long name": "/memories/" + "a" * (MAX_NAME_BYTES + 1),
    "a long name in bytes": "/memories/" + "\u4e00" * 60,
    "a long path": "/memories" + "/abcdefghij" * 60,
    "a deep path": "/memories" + "/a" * (MAX_DEPTH + 1),
}


@pytest.mark.parametrize("path", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("command", ["view", "create", "delete", "rename", "rename to"])
def test_no_path_leads_out_of_the_memory(tmp_path: Path, command: str, path: str) -> None:
    store = MemoryStore(tmp_path / "memory")
    (tmp_path / "secret.md").write_text("secret")
    create(store, "/memories/a.md")
    given = {"command": command, "path": path, "file_text": "x", "old_path": path, "new_path": "/memories/z"}
    if command == "rename to":
        given = {"command": "rename", "old_path": "/memories/a.md", "new_path": path}
    answer = store.run("t", given)
    assert answer.is_error
    assert "secret" not in answer.text
    assert (tmp_path / "secret.md").read_text() == "secret"
    assert [entry.names for entry in store.all()[0].entries] == [("a.md",)]


def test_a_link_in_the_folder_is_not_followed(store: MemoryStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    create(store, "/memories/a.md")
    files = files_folder(store, tmp_path)
    (files / "folder").symlink_to(outside)
    (files / "link.md").symlink_to(outside / "secret.md")
    for path in ("/memories/folder/secret.md", "/memories/link.md", "/memories/folder"):
        assert view(store, path).is_error
        assert create(store, path).is_error
        assert store.run("t", {"command": "delete", "path": path}).is_error
    assert create(store, "/memories/folder/new.md").is_error
    move = {"command": "rename", "old_path": "/memories/a.md", "new_path": "/memories/folder/a.md"}
    assert store.run("t", move).is_error
    assert view(store).text == "In /memories:\n/memories/a.md (2 bytes)"
    assert [path.name for path in outside.iterdir()] == ["secret.md"]


def test_deleting_a_folder_leaves_what_its_links_lead_to(store: MemoryStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    create(store, "/memories/a/b.md")
    (files_folder(store, tmp_path) / "a" / "link").symlink_to(outside)
    assert not store.run("t", {"command": "delete", "path": "/memories/a"}).is_error
    assert (outside / "secret.md").read_text() == "secret"


def test_a_pipe_in_the_folder_blocks_nothing(store: MemoryStore, tmp_path: Path) -> None:
    create(store, "/memories/a.md")
    os.mkfifo(files_folder(store, tmp_path) / "pipe")
    assert view(store, "/memories/pipe").is_error
    assert view(store).text == "In /memories:\n/memories/a.md (2 bytes)"


def test_names_that_differ_in_case_only_are_one(store: MemoryStore) -> None:
    create(store, "/memories/Notes/a.md")
    assert "only in case" in create(store, "/memories/notes/b.md").text
    assert "only in case" in create(store, "/memories/Notes/A.md").text
    move = {"command": "rename", "old_path": "/memories/Notes/a.md", "new_path": "/memories/Notes/A.md"}
    assert not store.run("t", move).is_error


def test_a_file_is_no_folder(store: MemoryStore) -> None:
    create(store, "/memories/a.md")
    assert "nothing can be below it" in create(store, "/memories/a.md/b.md").text
    assert create(store, "/memories/c/d.md").text.endswith("created.")
    assert "is a folder" in create(store, "/memories/c").text


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path, SMALL)
    assert not create(store, "/memories/a.md", "\u4e00" * 33).is_error
    assert "100 is the most" in create(store, "/memories/b.md", "\u4e00" * 34).text
    insert = {"command": "insert", "path": "/memories/a.md", "insert_line": 0, "insert_text": "ab"}
    assert "100 is the most" in store.run("t", insert).text
    assert store.read(store.all()[0].id, ("a.md",)) == "\u4e00" * 33


def test_a_tenant_has_so_much_room_and_another_its_own(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path, SMALL)
    for name in "ab":
        assert not create(store, f"/memories/{name}", "x" * 100).is_error
    assert "250 is the most" in create(store, "/memories/c", "x" * 51).text
    assert not create(store, "/memories/c", "x" * 50).is_error
    # What is overwritten makes room.
    assert not create(store, "/memories/a", "y" * 100).is_error
    assert not create(store, "/memories/a", "x" * 100, tenant="other").is_error


def test_a_tenant_has_so_many_entries(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path, SMALL)
    assert not create(store, "/memories/a/b/c/d/e").is_error
    assert not create(store, "/memories/f").is_error
    assert "at most" in create(store, "/memories/g").text
    assert not create(store, "/memories/f", "again").is_error


def test_tenants_are_apart(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "mine", tenant="one")
    assert view(store, tenant="other").text == "/memories is empty."
    assert view(store, "/memories/a.md", tenant="other").is_error
    store.run("other", {"command": "delete", "path": "/memories/a.md"})
    assert "mine" in view(store, "/memories/a.md", tenant="one").text


def test_a_tenants_name_is_never_a_path(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path / "memory")
    for tenant in ("../../escape", "/etc", "", "workspace a/b", "\0"):
        assert not create(store, "/memories/a.md", tenant=tenant).is_error
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]
    assert {each.tenant for each in store.all()} == {"../../escape", "/etc", "", "workspace a/b", "\0"}


def test_what_is_cleared_is_gone_and_the_rest_stays(store: MemoryStore) -> None:
    create(store, "/memories/a.md", tenant="one")
    create(store, "/memories/a.md", tenant="other")
    store.clear(next(each.id for each in store.all() if each.tenant == "one"))
    assert view(store, tenant="one").text == "/memories is empty."
    assert not view(store, "/memories/a.md", tenant="other").is_error


def test_files_are_for_their_owner_only(store: MemoryStore, tmp_path: Path) -> None:
    create(store, "/memories/a/b.md")
    files = files_folder(store, tmp_path)
    assert {oct(path.stat().st_mode & 0o777) for path in (files, files / "a")} == {"0o700"}
    assert oct((files / "a" / "b.md").stat().st_mode & 0o777) == "0o600"


def test_concurrent_calls_of_one_tenant_lose_nothing(store: MemoryStore) -> None:
    create(store, "/memories/a.md", "")

    def add(number: int) -> None:
        text = f"line {number}\n"
        store.run("t", {"command": "insert", "path": "/memories/a.md", "insert_line": 0, "insert_text": text})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = store.read(store.all()[0].id, ("a.md",))
    assert sorted(text.splitlines()) == sorted(f"line {number}" for number in range(20))


_ADDING = """
import sys
from pathlib import Path
from caesura.server.memory_store import MemoryStore
store = MemoryStore(Path(sys.argv[1]))
for number in range(10):
    text = f"{sys.argv[2]} {number}"
    store.run("t", {"command": "insert", "path": "/memories/a.md", "insert_line": 0, "insert_text": text})
"""


def test_other_processes_take_turns_too(store: MemoryStore, tmp_path: Path) -> None:
    create(store, "/memories/a.md", "")
    command = [sys.executable, "-c", _ADDING, str(tmp_path / "memory")]
    running = [subprocess.Popen([*command, name]) for name in ("one", "other")]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    lines = store.read(store.all()[0].id, ("a.md",)).splitlines()
    assert sorted(lines) == sorted(f"{name} {number}" for name in ("one", "other") for number in range(10))


_FAILING = """
import resource, sys
from pathlib import Path
from caesura.server.memory_store import MemoryStore
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
given = {"command": "create", "path": "/memories/a.md", "file_text": "x" * 200}
try:
    MemoryStore(Path(sys.argv[1])).run("t", given)
except OSError:
    sys.exit(7)
"""


def test_a_write_that_fails_leaves_the_file_as_it_was(store: MemoryStore, tmp_path: Path) -> None:
    create(store, "/memories/a.md", "old")
    command = [sys.executable, "-c", _FAILING, str(tmp_path / "memory")]
    assert subprocess.run(command, timeout=120, check=False).returncode == 7
    folder = files_folder(store, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["a.md"]
    assert (folder / "a.md").read_text() == "old"


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_path_is_read_the_same_again_or_refused(text: str) -> None:
    try:
        names = parts_of(f"/memories/{text}")
    except MemoryRefusal:
        return
    assert parts_of(path_of(names)) == names
    assert all(name not in ("", ".", "..") and "/" not in name and "\0" not in name for name in names)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["create", "delete", "move"])), max_size=12)
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_memory_is_what_a_dictionary_would_be(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    store, model = MemoryStore(tmp_path_factory.mktemp("memory")), dict[str, str]()
    for number, (name, step) in enumerate(steps):
        path, text = f"/memories/{name}", str(number)
        if step == "create":
            create(store, path, text)
            model[name] = text
        elif step == "delete":
            assert store.run("t", {"command": "delete", "path": path}).is_error == (name not in model)
            model.pop(name, None)
        else:
            move = {"command": "rename", "old_path": path, "new_path": "/memories/z"}
            fails = name not in model or "z" in model
            assert store.run("t", move).is_error == fails
            if not fails:
                model["z"] = model.pop(name)
    found = store.all()
    entries = [entry.names[0] for entry in found[0].entries] if found else []
    assert {name: store.read(found[0].id, (name,)) for name in entries} == model
