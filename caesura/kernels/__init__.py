"""C++ for the hot path on CPUs, built where it runs; whoever cannot build it computes the same with torch.

Read `building.py`, `library.py`, `step.cpp`, in this order; then `caesura/engine/native_network.py`.
"""
