"""The tiers below the models' memory: RAM and disk, shared by all models of a process.

Enters: a `Caching`. Leaves: for each model its pages below memory. This file imports torch by way of the
engine. Read next: `caesura/engine/tiers.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

from caesura.cli.cache import cache_folder
from caesura.cli.caching import Caching
from caesura.engine import LoadedModel
from caesura.engine.disk_tier import DiskConfig, DiskTier
from caesura.engine.ram_tier import RamTier
from caesura.engine.segments import Owner
from caesura.engine.tiers import PageTiers, TieredPages
from caesura.messages.errors import CaesuraError

logger = logging.getLogger(__name__)

# Millions of pages are known within this time; if not, the rest is found while requests are answered.
_MAX_WAIT_S = 5.0
# On a CPU the models' own memory is RAM already, and the system caches the disk's files in what is left.
_DEVICE_RAM_BYTES = {"cpu": 0, "cuda": 4_000_000_000}


def ram_bytes(caching: Caching, device: str) -> int:
    """What is kept in RAM besides the models' own memory."""
    return _DEVICE_RAM_BYTES[device] if caching.ram_bytes is None else caching.ram_bytes


@contextmanager
def page_tiers(
    models: Mapping[str, LoadedModel], caching: Caching, device: str
) -> Generator[dict[str, PageTiers]]:
    """Each model's pages below memory, by its name. What is queued is written on the way out.

    Raises CaesuraError if another process holds the folder that was named.
    """
    max_ram_bytes = ram_bytes(caching, device)
    with ExitStack() as stack:
        ram = RamTier(max_ram_bytes) if max_ram_bytes else None
        disk = _disk_tier(caching)
        if disk is not None:
            stack.enter_context(disk)
            # The first request should find what the last process left.
            disk.wait_until_loaded(_MAX_WAIT_S)
        if ram is None and disk is None:
            yield {}
            return
        tiers = {name: _tiers(name, loaded, ram, disk) for name, loaded in models.items()}
        for each in tiers.values():
            stack.callback(each.close)
        yield dict(tiers)


def _tiers(name: str, loaded: LoadedModel, ram: RamTier | None, disk: DiskTier | None) -> TieredPages:
    return TieredPages(Owner(name=name, identity=loaded.identity), ram=ram, disk=disk)


def _disk_tier(caching: Caching) -> DiskTier | None:
    """The folder on disk. The default one is done without where it cannot be had; the one that was named
    must be had.
    """
    if not caching.disk_bytes:
        return None
    config = DiskConfig(max_bytes=caching.disk_bytes)
    if caching.folder is not None:
        try:
            return DiskTier(caching.folder, config)
        except OSError as error:
            raise CaesuraError(
                f"cannot keep pages in {caching.folder}: {error.strerror}; name another --cache-dir, or give"
                " --cache-disk 0 to keep nothing on disk"
            ) from error
    try:
        return DiskTier(cache_folder(os.environ), config)
    except (CaesuraError, OSError) as error:
        logger.warning("nothing is kept on disk: %s", error)
        return None
