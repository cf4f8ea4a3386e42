"""What runs in the peers' own environments. Nothing here imports caesura, nothing of caesura imports it.

Each `*_peer.py` is a process that reads one JSON line a request and writes one a reply (`protocol.py`).
"""
