"""What stands behind the server beside its Client.

Enters: whatever the command line has to offer; each part may be missing, and what needs it is then refused by
name. Leaves: an immutable `Backing`. Read next: `app.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from caesura.messages.texts import TextModel
from caesura.server.accounts import Accounts
from caesura.server.batch_runner import BatchPolicy
from caesura.server.batch_store import BatchStore
from caesura.server.energy import EnergyMeter
from caesura.server.fetching import Fetcher
from caesura.server.file_store import FileStore
from caesura.server.memory_store import MemoryStore
from caesura.server.metrics import EnginesByModel
from caesura.server.tracing import Tracing
from caesura.server.uploads import MAX_FILE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What the server can draw on.

    engines: what each engine says of itself, for `/metrics`.
    energy: what the machine takes; None where it does not say.
    texts: who continues and scores plain text, for `/v1/completions`.
    files: where uploaded files are kept. max_file_bytes: the largest that is taken.
    batches: where message batches are kept. batch_policy: how eagerly they are worked on.
    tracing: follows requests and replies; None: nobody does.
    fetcher: gets what stands at URLs; None: nothing is fetched.
    memory: where the model's memory is kept; without it, whoever asks for one is refused.
    accounts: keys, limits and the ledger; without them only the config's keys open, and nothing is noted.
    """

    engines: EnginesByModel = dict
    energy: EnergyMeter | None = None
    texts: TextModel | None = None
    files: FileStore | None = None
    max_file_bytes: int = MAX_FILE_BYTES
    batches: BatchStore | None = None
    batch_policy: BatchPolicy = field(default_factory=BatchPolicy)
    fetcher: Fetcher | None = None
    tracing: Tracing | None = None
    memory: MemoryStore | None = None
    accounts: Accounts | None = None
