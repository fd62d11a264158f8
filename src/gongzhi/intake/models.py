"""Import jobs. They are no records: the application writes them itself, and the documentation says so."""

from django.db import models

from gongzhi.kernel.models import Post
from gongzhi.tongue import later


class ImportJob(models.Model):
    """One table on its way in, and how far it has come. Below ``GONGZHI_HOME/imports`` lie the table until it ends, what it refused for 30 days."""

    post = models.ForeignKey(Post, models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    service = models.CharField(max_length=40)
    mapping = models.CharField(max_length=80)
    folder = models.CharField(max_length=40)
    state = models.CharField(max_length=10, default="waiting")
    total = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    loaded = models.IntegerField(default=0)
    quarantined = models.IntegerField(default=0)
    unchanged = models.IntegerField(default=0)
    note = models.CharField(max_length=400, default="")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """Newest first."""

        db_table = "import_job"
        ordering = ("-id",)

    @property
    def percent(self) -> int:
        """How far it has come, in whole percents."""
        return 100 * self.done // self.total if self.total else 0

    @property
    def state_title(self) -> str:
        """The state in words."""
        return STATES[self.state]


STATES = {
    "waiting": later("等待处理"),
    "running": later("正在导入"),
    "done": later("已完成"),
    "failed": later("未能导入"),
}
