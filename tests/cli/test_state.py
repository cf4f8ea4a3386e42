from __future__ import annotations

from pathlib import Path

import pytest

from caesura.cli.state import state_folder

HOME = Path.home()


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({"CAESURA_STATE": "/srv/state"}, "linux", Path("/srv/state")),
        ({"CAESURA_STATE": "~/state"}, "linux", HOME / "state"),
        ({}, "linux", HOME / ".local/state/caesura"),
        ({"XDG_STATE_HOME": "/x"}, "linux", Path("/x/caesura")),
        ({}, "darwin", HOME / "Library/Application Support/caesura"),
        ({"LOCALAPPDATA": "/l"}, "win32", Path("/l/caesura")),
    ],
)
def test_state_has_its_place_on_every_platform(
    environment: dict[str, str], platform: str, folder: Path
) -> None:
    assert state_folder(environment, platform) == folder
