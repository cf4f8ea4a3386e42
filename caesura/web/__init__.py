"""The chat page, and what the terminal chat shares with it.

Enters: the Messages API, as a client of it. Leaves: `page.mount_page`, the page at `/`; `ask.py`,
`follow.py` and `reply.py`, which know nothing of any screen. Read next: `page.py`.
"""
