"""Reinforcement: replies sampled from our own engine, rewarded, and learnt from."""
