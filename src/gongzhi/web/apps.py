"""Django application of the pages."""

from django.apps import AppConfig

from gongzhi.tongue import later


class WebConfig(AppConfig):
    """Pages, API and static files. Saved views are its only table."""

    name = "gongzhi.web"
    label = "web"
    verbose_name = later("网页")
