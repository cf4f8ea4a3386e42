"""Safety: harmful requests and their harmless look-alikes, and whether a reply declines.

Read next: `prompts.py`, `refusal.py`, `suite.py`.
"""
