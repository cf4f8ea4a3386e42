"""The Files API over HTTP, by its two dialects and with every trick that file names know."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from caesura.messages.scripted import ScriptedClient
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.file_store import FileStore
from caesura.server.uploads import MAX_NAME_CHARACTERS
from tests.server.clock import Clock

Connect = Callable[[FastAPI], httpx.AsyncClient]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
OLD = {"anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"}
NEW = {"anthropic-version": "2026-10-21"}


@pytest.fixture
def store(tmp_path: Path, database: Engine) -> FileStore:
    return FileStore(tmp_path / "files", database)


@pytest.fixture
def client(in_process: Connect, store: FileStore) -> httpx.AsyncClient:
    return in_process(app_of(store))


def app_of(store: FileStore, **config: Any) -> FastAPI:
    return create_app(ScriptedClient(), ServerConfig(**config), Backing(files=store))


async def put(client: httpx.AsyncClient, name: str = "a.txt", data: bytes = b"hello", **fields: Any) -> Any:
    response = await client.post("/v1/files", files={"file": (name, data, "text/plain")}, data=fields)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_file_is_described(client: httpx.AsyncClient) -> None:
    body = await put(client)
    assert body == {
        "id": body["id"],
        "type": "file",
        "filename": "a.txt",
        "mime_type": "text/plain",
        "size_bytes": 5,
        "created_at": body["created_at"],
        "downloadable": False,
        "expires_at": None,
    }
    assert body["id"].startswith("file_")
    assert body["created_at"].endswith("Z")
    assert (await client.get(f"/v1/files/{body['id']}")).json() == body


@pytest.mark.parametrize("headers", [OLD, NEW, {}], ids=["old", "new", "bare"])
async def test_either_dialect_needs_no_more_than_its_own_headers(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    body = await put(client)
    assert (await client.get("/v1/files?beta=true", headers=headers)).json()["data"] == [body]


async def test_what_clients_sent_they_cannot_read_back(client: httpx.AsyncClient) -> None:
    body = await put(client)
    response = await client.get(f"/v1/files/{body['id']}/content")
    assert response.status_code == 400
    assert response.json()["error"]["details"] == {"error_code": "file_not_downloadable"}


async def test_what_the_server_made_is_read_back_and_is_no_page_of_it(
    client: httpx.AsyncClient, store: FileStore
) -> None:
    data = b"<script>" + bytes(range(256)) * 8_000
    with store.receive() as incoming:
        incoming.write(data)
        name = 'naïve"\r\nx: y.html'
        stored = store.add(incoming, tenant="", filename=name, mime_type="text/html", is_downloadable=True)
    response = await client.get(f"/v1/files/{stored.id}/content", headers={"accept": "application/binary"})
    assert response.content == data
    assert response.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''na%C3%AFve%22%0D%0Ax%3A%20y.html"
    )
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_deleted_file_is_gone(client: httpx.AsyncClient) -> None:
    name = (await put(client))["id"]
    assert (await client.delete(f"/v1/files/{name}")).json() == {"id": name, "type": "file_deleted"}
    for response in (await client.delete(f"/v1/files/{name}"), await client.get(f"/v1/files/{name}")):
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "not_found_error"


async def test_keys_see_their_own_files_only(in_process: Connect, store: FileStore) -> None:
    client = in_process(app_of(store, api_keys=("one", "two")))
    mine, other = {"x-api-key": "one"}, {"x-api-key": "two"}
    sent = await client.post("/v1/files", files={"file": ("a", b"x")}, headers=mine)
    path = f"/v1/files/{sent.json()['id']}"
    assert (await client.get("/v1/files", headers=other)).json()["data"] == []
    for method, where in (("GET", path), ("GET", f"{path}/content"), ("DELETE", path)):
        assert (await client.request(method, where, headers=other)).status_code == 404
    assert (await client.get(path, headers=mine)).status_code == 200
    assert (await client.get(path)).status_code == 401


async def test_pages_go_on_by_id_and_back(client: httpx.AsyncClient) -> None:
    made = [(await put(client, f"{number}.txt"))["id"] for number in range(5)]
    whole = (await client.get("/v1/files")).json()
    order = [file["id"] for file in whole["data"]]
    assert sorted(order) == sorted(made)
    assert (whole["has_more"], whole["next_page"]) == (False, None)
    assert (whole["first_id"], whole["last_id"]) == (order[0], order[-1])
    first = (await client.get("/v1/files?limit=2")).json()
    assert ([file["id"] for file in first["data"]], first["has_more"]) == (order[:2], True)
    second = (await client.get(f"/v1/files?limit=2&after_id={first['last_id']}")).json()
    assert [file["id"] for file in second["data"]] == order[2:4]
    last = (await client.get(f"/v1/files?limit=2&after_id={second['last_id']}")).json()
    assert ([file["id"] for file in last["data"]], last["has_more"]) == (order[4:], False)
    back = (await client.get(f"/v1/files?limit=3&before_id={order[4]}")).json()
    assert ([file["id"] for file in back["data"]], back["has_more"]) == (order[1:4], True)
    front = (await client.get(f"/v1/files?limit=3&before_id={order[1]}")).json()
    assert ([file["id"] for file in front["data"]], front["has_more"]) == (order[:1], False)


async def test_pages_go_on_by_token_even_when_a_file_is_gone(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await put(client, f"{number}.txt")
    order = [file["id"] for file in (await client.get("/v1/files")).json()["data"]]
    first = (await client.get("/v1/files?limit=2")).json()
    assert first["next_page"].startswith("page_")
    await client.delete(f"/v1/files/{order[1]}")
    second = (await client.get("/v1/files", params={"limit": 2, "page": first["next_page"]})).json()
    assert [file["id"] for file in second["data"]] == order[2:4]
    last = (await client.get("/v1/files", params={"limit": 2, "page": second["next_page"]})).json()
    assert ([file["id"] for file in last["data"]], last["next_page"]) == (order[4:], None)


async def test_files_are_listed_by_their_ids(client: httpx.AsyncClient) -> None:
    made = [(await put(client, f"{number}.txt"))["id"] for number in range(3)]
    params = {"ids[]": [made[0], made[2], made[0], "file_none"]}
    body = (await client.get("/v1/files", params=params)).json()
    assert {file["id"] for file in body["data"]} == {made[0], made[2]}
    assert (body["has_more"], body["next_page"]) == (False, None)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit: "),
        ("limit=1001", "limit: "),
        ("limit=x", "limit: "),
        ("after_id=file_none", "after_id: there is no file `file_none`"),
        ("before_id=../x", "before_id: there is no file"),
        ("page=page_%00", "page: it is no `next_page`"),
        ("page=page_eA==", "page: it is no `next_page`"),
        ("page=page_MS4A", "page: it is no `next_page`"),
        ("page=page_MS5maWxlX3g=", "page: it is no `next_page`"),
        ("after_id=%00", "after_id: there is no file"),
        ("page=page_eA==&after_id=x", "page: it cannot be combined"),
        ("ids[]=a&limit=3", "ids: it cannot be combined with `limit`"),
        ("ids[]=a&page=page_x", "ids: it cannot be combined with `page`"),
        ("&".join(f"ids[]=f{number}" for number in range(101)), "ids: 101 ids > 100 maximum"),
        ("scope_id=s", "scope_id: "),
    ],
)
async def test_a_wrong_query_is_refused_by_name(client: httpx.AsyncClient, query: str, words: str) -> None:
    response = await client.get(f"/v1/files?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(words)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system32.txt", "system32.txt"),
        ("/absolute/path.txt", "path.txt"),
        ("C:\\x\\y.txt", "y.txt"),
        ("a/../../..", "unnamed.txt"),
        ("..", "unnamed.txt"),
        (".", "unnamed.txt"),
        ("dir/", "unnamed.txt"),
        ("naïve 日本.txt", "naïve 日本.txt"),
    ],
)
async def test_only_the_last_part_of_a_name_is_kept(
    client: httpx.AsyncClient, tmp_path: Path, sent: str, kept: str
) -> None:
    body = await put(client, sent)
    assert body["filename"] == kept
    written = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert all(len(path.name) == 62 for path in written)


async def test_a_name_may_be_missing(client: httpx.AsyncClient) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"%s\r\n\r\n\xff\xfe\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    for name in (b"", b'; filename=""'):
        response = await client.post("/v1/files", content=form % name, headers=headers)
        assert response.status_code == 200, response.text
        body = response.json()
        assert (body["filename"], body["mime_type"], body["size_bytes"]) == (
            "unnamed.bin",
            "application/octet-stream",
            2,
        )


async def test_a_type_is_taken_from_the_name_where_none_is_sent(client: httpx.AsyncClient) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.pdf"\r\n\r\nx\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    body = (await client.post("/v1/files", content=form, headers=headers)).json()
    assert body["mime_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * (MAX_NAME_CHARACTERS + 1), "filename: 501 characters > 500"),
        ("a\x01b", "filename: it must not"),
    ],
)
async def test_a_name_that_is_none_is_refused(client: httpx.AsyncClient, name: str, words: str) -> None:
    form = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = await client.post("/v1/files", content=form.encode(), headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(words)


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fkeys", "%2fetc%2fpasswd", "file_%00", "x" * 300])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_id_is_never_a_path(client: httpx.AsyncClient, method: str, name: str) -> None:
    await put(client)
    for path in (f"/v1/files/{name}", f"/v1/files/{name}/content"):
        response = await client.request(method, path)
        assert response.status_code in (404, 405), response.text
    assert len((await client.get("/v1/files")).json()["data"]) == 1


async def test_a_file_expires_when_it_was_told_to(
    in_process: Connect, tmp_path: Path, database: Engine
) -> None:
    clock = Clock()
    client = in_process(app_of(FileStore(tmp_path / "files", database, clock=clock)))
    body = await put(client, expires_in_seconds="3600")
    assert (body["created_at"], body["expires_at"]) == (
        "1970-01-01T00:01:40.000Z",
        "1970-01-01T01:01:40.000Z",
    )


@pytest.mark.parametrize("life", ["3599", "7776001", "-1", "x", "1e9", "", "9" * 20])
async def test_a_life_out_of_range_is_refused(client: httpx.AsyncClient, life: str) -> None:
    response = await client.post("/v1/files", files={"file": ("a", b"x")}, data={"expires_in_seconds": life})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("expires_in_seconds: ")
    assert (await client.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("other", ("a", b"x"))], "file: Field required"),
        ([("file", ("a", b"x")), ("file", ("b", b"x"))], "file: only one file"),
    ],
)
async def test_an_upload_is_one_file(client: httpx.AsyncClient, files: Any, words: str) -> None:
    response = await client.post("/v1/files", files=files)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(words)


async def test_a_body_of_another_kind_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/files", json={"file": "x"})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("content-type: ")


async def test_a_file_that_is_too_large_is_413_and_leaves_nothing(
    serve: Serve, store: FileStore, tmp_path: Path
) -> None:
    app = create_app(ScriptedClient(), backing=Backing(files=store, max_file_bytes=3_000_000))
    async with serve(app) as http:
        fits = await http.post("/v1/files", files={"file": ("a", bytes(3_000_000))})
        assert fits.json()["size_bytes"] == 3_000_000
        for size in (3_000_001, 9_000_000):
            response = await http.post("/v1/files", files={"file": ("a", bytes(size))})
            assert response.status_code == 413
            assert response.json()["error"]["type"] == "request_too_large"
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1


async def test_a_server_without_a_store_says_so(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient()))
    for method, path in (("GET", "/v1/files"), ("POST", "/v1/files"), ("GET", "/v1/files/file_x")):
        response = await client.request(method, path)
        assert response.status_code == 404
        assert response.json()["error"]["message"] == "files: this server keeps no files"


@pytest.mark.parametrize("is_beta", [True, False])
async def test_the_sdk_works(serve: Serve, store: FileStore, is_beta: bool) -> None:
    async with serve(app_of(store, api_keys=("key",))) as http:
        base_url = str(http.base_url)
        async with anthropic.AsyncAnthropic(api_key="key", base_url=base_url, max_retries=0) as sdk:
            files: Any = sdk.beta.files if is_beta else sdk.files
            made = [await files.upload(file=(f"{number}.txt", b"x", "text/plain")) for number in range(3)]
            listed = [file.id async for file in files.list(limit=1)]
            assert sorted(listed) == sorted(file.id for file in made)
            assert (await files.retrieve_metadata(made[0].id)).filename == "0.txt"
            assert (await files.delete(made[0].id)).type == "file_deleted"
            with pytest.raises(anthropic.BadRequestError) as refused:
                await files.download(made[1].id)
            assert refused.value.body["error"]["details"]["error_code"] == "file_not_downloadable"  # type: ignore[index]
            with pytest.raises(anthropic.NotFoundError):
                await files.retrieve_metadata(made[0].id)
