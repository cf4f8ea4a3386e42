"""The Messages API as data, and the `Client` protocol that everything else is written against.

Enters: nothing of ours and no torch. Leaves: see `content.py`, `request.py`, `events.py`,
`response.py`, `errors.py` for the values, `client.py` for the seam, `validation.py` and `wire.py` for
the JSON, `scripted.py`, `remote.py` and `signing.py` for Clients.
"""
