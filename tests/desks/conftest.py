"""The kernel's people are the desks' too."""

from tests.kernel.conftest import crew

__all__ = ["crew"]
