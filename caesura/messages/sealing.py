"""A thought, signed and sealed with this server's key.

A seal is `v1.` and URL-safe base64 of a signature and a ciphertext. The signature is HMAC-SHA256 over the
model, the kind of block and the thought; the ciphertext is the same three, deflated, under AES-256-GCM with
the signature's first bytes as its nonce. So one seal proves who wrote a thought, and also holds it: it can
stand beside a thought that is shown or one that is omitted; another, of its own kind, stands in place of
one that is redacted. Equal thoughts of one model and kind have equal seals, which leaks nothing that the
reply does not, and a nonce only ever repeats together with its plaintext.

Enters: a key, thoughts, seals. Leaves: seals, thoughts. Read next: `signing.py`, which applies them to
requests and replies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from caesura.messages.errors import CaesuraError

Kind = Literal["thinking", "redacted_thinking"]

KEY_BYTES = 32
# A thought is shorter than any context window; more than this is not one of ours.
MAX_THOUGHT_BYTES = 16 * 2**20

_VERSION = "v1."
_TAG_BYTES = hashlib.sha256().digest_size
_NONCE_BYTES = 12
_SEPARATOR = b"\0"


class BrokenSealError(CaesuraError):
    """A seal that this key did not make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """What a seal holds.

    model: who thought.
    thinking: what.
    kind: the type of block that the seal was sent in; it comes back in no other.
    """

    model: str
    thinking: str
    kind: Kind = "thinking"


class Sealer:
    """Seals and opens thoughts with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise CaesuraError(f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
        self._signing_key = hmac.digest(key, b"caesura thinking signature", "sha256")
        self._cipher = AESGCM(hmac.digest(key, b"caesura thinking seal", "sha256"))

    def seal(self, thought: Thought) -> str:
        """The seal of a thought."""
        plain = _SEPARATOR.join(part.encode() for part in (thought.model, thought.kind, thought.thinking))
        tag = hmac.digest(self._signing_key, plain, "sha256")
        sealed = self._cipher.encrypt(tag[:_NONCE_BYTES], zlib.compress(plain), tag)
        return _VERSION + base64.urlsafe_b64encode(tag + sealed).decode().rstrip("=")

    def open(self, seal: str) -> Thought:
        """The thought in a seal; raises BrokenSealError."""
        raw = _decoded(seal)
        tag, sealed = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        try:
            plain = _inflated(self._cipher.decrypt(tag[:_NONCE_BYTES], sealed, tag))
        except (InvalidTag, ValueError, zlib.error) as error:
            raise BrokenSealError("the seal was made with another key, or altered") from error
        if not hmac.compare_digest(tag, hmac.digest(self._signing_key, plain, "sha256")):
            raise BrokenSealError("the seal does not sign what it holds")
        model, kind, thinking = (*plain.split(_SEPARATOR, 2), b"", b"")[:3]
        if kind not in (b"thinking", b"redacted_thinking"):
            raise BrokenSealError("the seal holds no block of a kind that is known here")
        return Thought(model=model.decode(), thinking=thinking.decode(), kind=cast("Kind", kind.decode()))


def _decoded(seal: str) -> bytes:
    if not seal.startswith(_VERSION) or not seal.isascii():
        raise BrokenSealError("the seal is of no version that is known here")
    text = seal.removeprefix(_VERSION)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise BrokenSealError("the seal is not base64") from error
    # Base64 has several spellings of the same last byte; only the one that was sent counts.
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise BrokenSealError("the seal is not base64 as it is written here")
    return raw


def _inflated(deflated: bytes) -> bytes:
    inflater = zlib.decompressobj()
    plain = inflater.decompress(deflated, MAX_THOUGHT_BYTES)
    if not inflater.eof:
        raise ValueError("the thought is cut short, or longer than any thought")
    return plain


def load_key(state_folder: Path) -> bytes:
    """The key in a state folder, made on first use; only its owner may read it."""
    path = state_folder / "thinking.key"
    state_folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _create_key(path)
    if path.stat().st_mode & 0o077:
        raise CaesuraError(f"{path} can be read by others; run: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise CaesuraError(f"{path} holds {len(key)} bytes, not {KEY_BYTES}; delete it to make a new key")
    return key


def _create_key(path: Path) -> None:
    # Written aside and linked into place, so that of two servers starting at once one key wins, whole.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
