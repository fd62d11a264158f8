"""Django application of the requests desk."""

from django.apps import AppConfig


class RequestsConfig(AppConfig):
    """Declares the service ``request``."""

    name = "gongzhi.desks.requests"
    label = "requests"
    verbose_name = "诉求"
