"""Who asks: what the server knows of a request's sender once it has been let in.

Enters: nothing. Leaves: an immutable `Caller`. Read next: `authentication.py`, which makes it, `limiter.py`
and `metering.py`, which go by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from caesura.server.limits import Limits

DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of a request.

    tenant: whose caches and files it may use, opaque; one for each workspace of the database's keys, one
        for each key of the command line, "" for everyone where no key is needed.
    key_id: the key, by a name that opens nothing; "" without one.
    workspace: to which the key belongs.
    limits: what it may ask for in a minute.
    """

    tenant: str = ""
    key_id: str = ""
    workspace: str = DEFAULT_WORKSPACE
    limits: Limits = field(default_factory=Limits)


ANYONE = Caller()
