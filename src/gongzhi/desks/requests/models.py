"""Django looks for a desk's tables here."""

from gongzhi.desks.requests.request import Request

__all__ = ["Request"]
