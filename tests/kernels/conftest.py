"""The machine's compiler, where it has one."""

from __future__ import annotations

import os

import pytest

from caesura.kernels.building import BuildError, found_compiler


@pytest.fixture(scope="session")
def compiler() -> str:
    try:
        return found_compiler(os.environ)
    except BuildError as error:
        pytest.skip(str(error))
