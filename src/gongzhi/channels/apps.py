"""Django application of the ways out."""

from django.apps import AppConfig

from gongzhi.tongue import later as _


class ChannelsConfig(AppConfig):
    """Its tables are a queue and what people chose; they are no records, and the application writes them itself."""

    name = "gongzhi.channels"
    label = "channels"
    verbose_name = _("通知渠道")

    def ready(self) -> None:
        """Register the checks of the settings."""
        from gongzhi.channels import checks  # noqa: F401, PLC0415
