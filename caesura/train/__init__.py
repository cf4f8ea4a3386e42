"""The trainer: rows to a Hugging Face folder.

Read `stage.py` (a whole run), `loop.py`, `packing.py`, `checkpoint.py`, in this order; `sets.py` and
`fetch.py` bring the data.
"""
