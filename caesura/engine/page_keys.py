"""The name of a page: a hash of all that its keys and values depend on.

A full page's key is blake2b over its parent's key and its own ids, so equal keys mean equal text from the
beginning on. The first page's parent is the root key, which covers everything else: the weights, the
positions' encoding, the numbers' type, and whose prefixes they are. So a key is the same in every process.
Enters: ids. Leaves: 16 bytes a page. Read next: `prefix_tree.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

KEY_BYTES = 16
# Changes whenever the layout of a stored page does; older stores are then no match.
FORMAT_VERSION = 1


def root_key(identity: bytes, tenant: str) -> bytes:
    """The parent of first pages. identity: of model, rope, numbers and page size. tenant: who reads."""
    digest = blake2b(digest_size=KEY_BYTES, person=b"caesura-root")
    for part in (FORMAT_VERSION.to_bytes(4, "little"), identity, tenant.encode()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def page_keys(root: bytes, ids: Sequence[int], page_size: int) -> tuple[bytes, ...]:
    """The key of each full page of `ids`, in order. `root`: the root key, or the key of the page before."""
    num_full = len(ids) // page_size
    packed = memoryview(np.asarray(ids[: num_full * page_size], dtype="<u4").tobytes())
    size, parent = 4 * page_size, root
    keys: list[bytes] = []
    for start in range(0, len(packed), size):
        parent = blake2b(parent + packed[start : start + size], digest_size=KEY_BYTES).digest()
        keys.append(parent)
    return tuple(keys)
