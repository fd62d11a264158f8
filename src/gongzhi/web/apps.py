"""Django application of the pages."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Pages, API and static files. It has no tables of its own."""

    name = "gongzhi.web"
    label = "web"
    verbose_name = "网页"
