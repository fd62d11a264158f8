"""Django application of the kernel."""

from django.apps import AppConfig
from django.conf import settings

from gongzhi.tongue import later


class KernelConfig(AppConfig):
    """Registers the checks of the declarations, and lets every desk declare its services."""

    name = "gongzhi.kernel"
    label = "kernel"
    verbose_name = later("内核")

    def import_models(self) -> None:
        """Import the kernel's tables, then the services of the desks, which stand on them."""
        from gongzhi.kernel.desk import import_services  # noqa: PLC0415

        super().import_models()
        import_services(settings.DESKS)

    def ready(self) -> None:
        """Register the checks."""
        from gongzhi.kernel import checks  # noqa: F401, PLC0415
