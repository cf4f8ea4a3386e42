"""The command line: one file a verb, and the only place that wires parts together.

Enters: arguments. Leaves: exit codes, and what people read. Read first: `main.py`.
"""
