"""Tests of the desks: each service lived through by hand, and what every declaration promises."""
