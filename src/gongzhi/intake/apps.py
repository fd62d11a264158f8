"""Django application of the ways in."""

from django.apps import AppConfig

from gongzhi.tongue import later


class IntakeConfig(AppConfig):
    """Import jobs are its only table; what they bring in goes through the kernel's door."""

    name = "gongzhi.intake"
    label = "intake"
    verbose_name = later("受理")
