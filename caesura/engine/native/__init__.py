"""Steps of few tokens in one native function, where a C++ compiler is at hand.

Read `building.py`, `reading.py`, `network.py`, `step.cpp`, in this order.
"""
