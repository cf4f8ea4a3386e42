"""A model's folder: as it was named, or fetched from the Hugging Face hub.

Enters: a folder, or an id such as `Qwen/Qwen3-0.6B`. Leaves: a folder on this machine, or a CaesuraError
that names what was looked for. Only safetensors, JSON and Jinja files of the top level are fetched, never
pickles. What is fetched stays in huggingface_hub's cache: a connection that breaks off goes on where it
stopped, a file that is whole is not fetched again, and a model that is there needs no network. Read next:
`serve.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from caesura.cli.screen import stderr
from caesura.messages.errors import CaesuraError

FETCHED = ("*.safetensors", "*.json", "*.jinja")
# Folders hold other programs' copies of the weights, and so do Mistral's consolidated files.
_SKIPPED = ("*/*", "consolidated*")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_id(source: str) -> bool:
    """Whether this reads as OWNER/NAME, and nothing of that name lies here."""
    return _HUB_ID.fullmatch(source) is not None and not Path(source).exists()


def located(source: str) -> Path:
    """The folder of a model. One that is not here is left for whoever reads it to complain of."""
    return fetched(source) if is_hub_id(source) else Path(source).expanduser()


def fetched(hub_id: str) -> Path:
    """Download what is missing, with progress bars, and give the folder."""
    # It takes a while to import, and few commands need it.
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # The HTTP library below it differs by version; its own error is derived from that one's.
    broken = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    stderr.print(f"[dim]{hub_id}: from {constants.ENDPOINT}, kept in {constants.HF_HUB_CACHE}[/]")
    try:
        path = snapshot_download(hub_id, allow_patterns=list(FETCHED), ignore_patterns=list(_SKIPPED))
    except (*broken, OSError, ValueError) as error:
        raise CaesuraError(
            f"model `{hub_id}` is no folder here, is not in the cache ({constants.HF_HUB_CACHE}), and cannot"
            f" be fetched from {constants.ENDPOINT}: {_first_line(error)}. Looked for {', '.join(FETCHED)}."
            " Without a network, give a folder that holds these: --model NAME=FOLDER"
        ) from error
    folder = Path(path)
    if not any(folder.glob("*.safetensors")):
        raise CaesuraError(
            f"model `{hub_id}` has no safetensors weights; other kinds, such as pickles, can run code when"
            " opened and are never fetched. Choose one that has, or convert it and give its folder"
        )
    return folder


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no details'}".rstrip(".")
