"""Caesura: one model that answers at once, or pauses to think for as many tokens as you allow.

Read `ARCHITECTURE.md` first; the rooms are the folders beside this file.
"""
