"""The native step, built once for all tests: for this processor, and without its bfloat16 instructions."""

from __future__ import annotations

import pytest

from caesura.kernels.building import FLAGS, build
from caesura.kernels.library import Library
from tests.kernels.conftest import compiler as compiler


@pytest.fixture(scope="session", params=["", "-DCAESURA_PLAIN"], ids=["processor", "plain"])
def library(
    request: pytest.FixtureRequest, compiler: str, tmp_path_factory: pytest.TempPathFactory
) -> Library:
    return build(tmp_path_factory.mktemp("builds"), compiler, [*FLAGS, *filter(None, [request.param])])
