"""The ways out, against real servers on loopback."""
