"""JSON Schemas as grammars: what a schema admits, and how that is written as JSON, XML or YAML.

Read `refusal.py`, `places.py`, `clauses.py`, `keywords.py`, `outline.py`, `json_text.py`, in this order.
"""
