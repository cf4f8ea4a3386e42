"""The engine: continuous batching with a budget for thinking.

Read `engine.py`, `core.py`, `phases.py`, `scheduler.py`, `paged_attention.py`, in this order.
"""

from caesura.engine.core import EngineCore, EngineStats, Finished
from caesura.engine.engine import Engine
from caesura.engine.loading import EngineConfig, LoadedModel, build_engine, load
from caesura.engine.local_client import EFFORT_BUDGETS, LocalClient
from caesura.engine.scheduler import SchedulerConfig
from caesura.engine.sequence import Sequence, SequenceRequest
from caesura.engine.streams import Completion, Stream

__all__ = [
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
