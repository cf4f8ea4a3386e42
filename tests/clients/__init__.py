"""Real clients, in environments of their own, against real servers on loopback."""
