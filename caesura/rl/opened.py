"""Models of earlier jobs, answering in this process.

Enters: the names of jobs, or model folders. Leaves: a `LocalClient` for as long as it is needed. Read next:
`caesura/engine/local_client.py`; `revisions.py` and `feedback.py`, which ask it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from caesura.engine import EngineConfig, LocalClient, load
from caesura.engine.fit import available_bytes, holds_second_copy, kv_budget, need
from caesura.engine.loading import chosen_dtype
from caesura.model import read_config
from caesura.train.job import Place
from caesura.train.stage import start_folder


@contextmanager
def opened(names: Iterable[str], place: Place) -> Generator[LocalClient]:
    """A Client that knows each model by the name given here; its engines stop on the way out.

    names: of jobs below the runs folder, or of model folders. Raises FolderError for a folder that is no
    model's, and where the models do not fit into memory.
    """
    folders = {name: start_folder(name, place.runs) for name in names}
    config = EngineConfig()
    dtype = chosen_dtype(None, None, place.device)
    needs = [
        need(
            shape,
            dtype=dtype,
            quantise=None,
            max_running=config.scheduler.max_running,
            has_second_copy=holds_second_copy(shape.num_parameters, dtype, None, place.device),
        )
        for shape in map(read_config, folders.values())
    ]
    budget = kv_budget(needs, wanted_bytes=None, available_bytes=available_bytes(place.device))
    models = {name: load(folder, name=name, device=place.device) for name, folder in folders.items()}
    client = LocalClient(models, EngineConfig(kv_bytes=budget))
    try:
        yield client
    finally:
        client.close()
