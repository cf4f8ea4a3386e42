"""Ways to reach an app: in process, and on a real socket. Databases: a file, and a schema of a real server,
which `.ci/postgres.sh` starts.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, make_url, text

from caesura.server.database import default_url, open_database

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def in_process() -> Callable[[FastAPI], httpx.AsyncClient]:
    """A client of an app without a socket."""

    def connect(app: FastAPI) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    return connect


@pytest.fixture
def serve() -> Serve:
    """Runs an app on a free port of loopback, and gives a client of it."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            # What never answers is for the timeout of every test; a busy machine may take long.
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=None) as client:
                yield client
        finally:
            server.should_exit = True
            await task

    return running


_KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@contextmanager
def postgres_schema() -> Generator[str]:
    """The URL of an empty schema, which is gone afterwards."""
    server = make_url(os.environ["CAESURA_TEST_POSTGRES"]).set(drivername="postgresql+psycopg")
    name = f"test_{secrets.token_hex(6)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
        url = server.set(drivername="postgresql").update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    finally:
        admin.dispose()


@pytest.fixture(params=_KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield default_url(tmp_path / "state")
    else:
        with postgres_schema() as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """The same, open."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()
