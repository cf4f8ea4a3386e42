"""A Client, served over HTTP as the Messages API.

Enters: any `Client` and a `ServerConfig`. Leaves: an ASGI app. Read first: `app.py`.
"""

from caesura.server.app import create_app
from caesura.server.config import ServerConfig

__all__ = ["ServerConfig", "create_app"]
