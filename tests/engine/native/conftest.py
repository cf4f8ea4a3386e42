"""The native step, built once for all tests: for this processor, and without its bfloat16 instructions."""

from __future__ import annotations

import os

import pytest

from caesura.engine.native.building import FLAGS, BuildError, build, found_compiler
from caesura.engine.native.library import Library


@pytest.fixture(scope="session")
def compiler() -> str:
    try:
        return found_compiler(os.environ)
    except BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=["", "-DCAESURA_PLAIN"], ids=["processor", "plain"])
def library(
    request: pytest.FixtureRequest, compiler: str, tmp_path_factory: pytest.TempPathFactory
) -> Library:
    return build(tmp_path_factory.mktemp("builds"), compiler, [*FLAGS, *filter(None, [request.param])])
