from __future__ import annotations

import caesura.engine


def test_the_rooms_public_names() -> None:
    assert caesura.engine.__all__ == [
        "EFFORT_BUDGETS",
        "Completion",
        "Engine",
        "EngineConfig",
        "EngineCore",
        "EngineStats",
        "Finished",
        "LoadedModel",
        "LocalClient",
        "SchedulerConfig",
        "Sequence",
        "SequenceRequest",
        "Stream",
        "build_engine",
        "load",
    ]
