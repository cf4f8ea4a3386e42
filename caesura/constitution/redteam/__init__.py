"""Attacks on a model of one's own, to find what it should refuse and does not.

Read `styles.py` for what is tried, then `campaign.py` for the order, then `report.py`.
"""
