from __future__ import annotations

import platform
import threading

import pytest

from caesura.engine.process_memory import keep_freed_memory, on_own_thread


def test_work_is_done_on_a_thread_that_has_ended_by_then() -> None:
    worker = on_own_thread(threading.current_thread)
    assert worker is not threading.current_thread()
    assert not worker.is_alive()


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        on_own_thread(lambda: 1 // 0)


def test_the_settings_are_taken_where_the_c_library_has_them() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
