"""The application's addresses, and one that is broken: nothing else shows the page for a fault of ours."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from gongzhi.web.urls import handler400, handler403, handler404, handler500
from gongzhi.web.urls import urlpatterns as whole

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def broken(request: HttpRequest) -> HttpResponse:
    """Fall."""
    raise RuntimeError(f"{request.path} is broken, as the pictures want it")


urlpatterns = [*whole, path("broken", broken)]
