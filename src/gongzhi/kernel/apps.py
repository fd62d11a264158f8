"""Django application of the kernel; start-up fails on an incomplete declaration."""

from django.apps import AppConfig


class KernelConfig(AppConfig):
    """Registers the declaration checks."""

    name = "gongzhi.kernel"
    label = "kernel"
    verbose_name = "内核"

    def ready(self) -> None:
        """Load the checks, which Django runs before every command."""
        from gongzhi.kernel import checks  # noqa: F401, PLC0415  (checks need the loaded registry)
