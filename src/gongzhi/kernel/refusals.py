"""Why an act did not happen. ``str()`` of each is one sentence for the person who tried."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.dates import moment
from gongzhi.tongue import clauses, later

ABSENT = later("没有这条记录，或您的岗位不能这样处理它。")
"""The same sentence whether the record exists or not: a wrong role learns nothing."""


class Refused(Exception):
    """The act did not happen, and nothing of it is left behind."""


class Invalid(Refused):
    """The form is not right; ``errors`` says what, by field name."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {name: list(texts) for name, texts in errors.items()}
        super().__init__(
            _("填写的内容有误：{faults}").format(
                faults=clauses(text for texts in self.errors.values() for text in texts)
            )
        )


class Absent(Refused):
    """There is no such record, or it is not the actor's to act on."""

    def __init__(self) -> None:
        super().__init__(ABSENT)


class Conflict(Refused):
    """Somebody was first: ``who`` of ``agency`` did ``action_title`` at ``at``; the record stands at ``version``."""

    def __init__(
        self, *, who: str, agency: str, at: datetime, action_title: str, version: int, stage_title: str
    ) -> None:
        self.who, self.agency, self.at = who, agency, at
        self.action_title, self.version, self.stage_title = action_title, version, stage_title
        when = timezone.localtime(at)
        super().__init__(
            _(
                "{agency}的{who}已于 {at} 做了“{action_title}”，这条记录现在是“{stage_title}”。您的操作没有生效，请看过最新情况后再决定。"
            ).format(agency=agency, who=who, at=moment(when), action_title=action_title, stage_title=stage_title)
        )


class PartsOpen(Refused):
    """Parts of the record are not settled yet: ``count`` of them."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(_("还有 {count} 项没有办结，全部办结后才能做这一步。").format(count=count))


class KeyReused(Refused):
    """The idempotency key belongs to another act."""

    def __init__(self) -> None:
        super().__init__(_("这次提交的编号已经用于另一项操作。请刷新页面后重新提交。"))


class ClockWrong(Refused):
    """The act's time is too far from the database's clock, and no loader answers for it."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        super().__init__(
            _("服务器的时钟不一致（数据库时间为 {at}），操作没有生效。请通知管理员校准时间。").format(at=moment(now))
        )


class TooOften(Refused):
    """The same was done too many times in the last hour."""

    def __init__(self) -> None:
        super().__init__(_("一小时内按电话查找的次数太多了，请过一会儿再查。"))


class DiskFull(Refused):
    """The database's disk is full; whoever tries again with the same key, once there is room, does it once."""

    def __init__(self) -> None:
        super().__init__(_("数据库的磁盘已满，操作没有生效。内容没有丢失，请通知管理员清出空间，稍后再提交一次。"))


class Unreachable(Refused):
    """The database did not answer; whether an earlier try arrived is settled by trying again with the same key."""

    def __init__(self) -> None:
        super().__init__(_("暂时连不上数据库，这次操作没有得到确认。内容没有丢失，请稍后再提交一次。"))
