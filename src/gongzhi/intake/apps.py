"""Django application of the ways in."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    """Import jobs are its only table; what they bring in goes through the kernel's door."""

    name = "gongzhi.intake"
    label = "intake"
    verbose_name = "受理"
