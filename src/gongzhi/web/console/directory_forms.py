"""The forms of the directory: what each asks for, and which act of ``kernel.directory`` it becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel import care, directory, identities, passwords, second_factor
from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Account, Agency, CareMember, Place, Post
from gongzhi.kernel.models.places import level_title
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.tongue import later
from gongzhi.web.asked import Asked, Choices, agencies, choose_place, places_to_choose

Values = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """One field: label, kind (text, date, place, agency, kind, role, care, account, password), hint."""

    label: str
    kind: str = "text"
    hint: str = ""
    required: bool = True


@dataclass(frozen=True)
class DirectoryForm:
    """A form: its fields, what it begins with, and what it does."""

    code: str
    title: str
    fields: Mapping[str, Question]
    act: Callable[[Actor, int, dict[str, Any]], Any]
    begin_with: Callable[[int], dict[str, Any]] = lambda subject: {}
    hint: str = ""
    danger: bool = False
    about: Callable[[int], str] = lambda subject: ""
    stay: str = ""
    """The name of the parameter that keeps the page where it was."""
    changes: str = ""
    """What the directory's history calls the subject of a form that begins with what is held: place, agency, account."""
    subject_word: str = field(default="")

    def begin(self, subject: int | None) -> dict[str, Any]:
        """Return the values that the form begins with."""
        today = timezone.localdate().isoformat()
        made = {name: today for name, question in self.fields.items() if question.kind == "date" and question.required}
        return {**made, **(self.begin_with(subject) if subject is not None else {})}

    def began(self, subject: int | None) -> str:
        """Return a mark of what the form changes as it stands now: a page that bears another mark is stale. "" for none."""
        held = self.begin_with(subject) if subject is not None else {}
        return sha256(repr(sorted(held.items())).encode()).hexdigest()[:20] if held else ""

    def do(self, actor: Actor, subject: int | None, typed: Values) -> Any:
        """Check what was typed and act; return what the act returns. Raises Refused."""
        values: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name, question in self.fields.items():
            text = typed.get(name, "").strip()
            if not text:
                if question.required:
                    errors[name] = [_("请填写这一项。")]
                values[name] = None if question.kind in ("date", "place", "agency", "account") else ""
                continue
            try:
                values[name] = _parsed(question.kind, text)
            except ValueError:
                errors[name] = [
                    _("请填写正确的日期，例如 2026-11-23。") if question.kind == "date" else _("请重新选择。")
                ]
        if errors:
            raise Invalid(errors)
        return self.act(actor, subject or 0, values)

    def after(self, subject: int | None) -> str:
        """Return what to add to the address once it is done."""
        return f"&{self.stay}={subject}" if self.stay and subject else ""


def _parsed(kind: str, text: str) -> Any:
    match kind:
        case "date":
            return date.fromisoformat(text)
        case "place" | "agency" | "account":
            return int(text)
        case _:
            return text


def asked_of(form: DirectoryForm, values: Mapping[str, Any], errors: Mapping[str, list[str]]) -> list[Asked]:
    """Return the questions of a form as a page shows them."""
    made = []
    for name, question in form.fields.items():
        kind = {"kind": "select", "role": "select", "care": "select", "agency": "agency", "account": "select"}.get(
            question.kind, question.kind
        )
        value = values.get(name)
        asked = Asked(
            name, str(question.label), kind, question.required, "" if value is None else str(value), list(errors.get(name, ())),
            str(question.hint), longest=120 if question.kind in ("text", "password") else None, groups=_groups(question.kind),
        )  # fmt: skip
        if question.kind == "place":
            _place(asked)
        made.append(asked)
    return made


def _groups(kind: str) -> Choices:
    match kind:
        case "place":
            return places_to_choose()
        case "agency":
            return agencies()
        case "kind":
            return [("", list(directory.KINDS.items()))]
        case "role":
            return [("", [(role.code, role.title) for role in directory.GIVEN])]
        case "care":
            return [("", [(service.code, service.title) for service in care.care_services()])]
        case "account":
            rows = Account.objects.filter(active=True).exclude(login__in=("portal", "clock", "loader"))
            return [("", [(str(account.pk), f"{account.name}({account.login})") for account in rows])]
        case _:
            return []


def _place(asked: Asked) -> None:
    asked.chosen = asked.value
    choose_place(asked)


def _here(subject: int) -> str:
    place = Place.objects.filter(pk=subject).first()
    return f"{level_title(place.level)}“{place.name}”" if place else ""


def _held_agency(subject: int) -> dict[str, Any]:
    agency = Agency.objects.filter(pk=subject).first()
    if agency is None:
        return {}
    return {
        "title": agency.title, "short": agency.short, "kind": agency.kind, "place": agency.place_id, "ended_on": agency.ended_on,
    }  # fmt: skip


def _held_place(subject: int) -> dict[str, Any]:
    place = Place.objects.filter(pk=subject).first()
    return {"name": place.name, "code": place.code} if place else {}


def _account(subject: int) -> str:
    account = Account.objects.filter(pk=subject).first()
    return f"{account.name}({account.login})" if account else ""


def _held_account(subject: int) -> dict[str, Any]:
    account = Account.objects.filter(pk=subject).first()
    return {"name": account.name} if account else {}


def _post(subject: int) -> str:
    post = Post.objects.filter(pk=subject).select_related("account", "agency").first()
    return f"{post.account.name}:{post.agency.short} · {post.role_title}" if post else ""


def _member(subject: int) -> str:
    held = CareMember.objects.filter(pk=subject).first()
    title = {service.code: service.title for service in care.care_services()}.get(held.service, "") if held else ""
    return f"{_post(held.post_id)} · {title}" if held else ""


def _new_account(actor: Actor, _subject: int, v: dict[str, Any]) -> str:
    """Make the account with its first post; return the secret of the link by which its person chooses a password."""
    with transaction.atomic():
        account = directory.add_account(actor, v["login"], v["name"], v["password"])
        directory.add_post(actor, account, v["agency"], v["role"], v["place"])
        return "" if v["password"] else passwords.make_link(actor, account, first=True)


def _end_agency(actor: Actor, subject: int, v: dict[str, Any]) -> None:
    directory.change_agency(actor, subject, v["title"], v["short"], v["kind"], v["place"], v["ended_on"])


def _new_link(actor: Actor, subject: int, _v: dict[str, Any]) -> str:
    if not subject:
        raise Absent
    return passwords.make_link(actor, subject)


def _unlink(actor: Actor, account: int, _v: dict[str, Any]) -> None:
    held = identities.identities(actor, account)
    if not held:
        raise Invalid({"": [_("这个账号没有连接外部身份。")]})
    with transaction.atomic():
        for one in held:
            identities.unlink(actor, one.id)


def _drop_factor(actor: Actor, subject: int, _v: dict[str, Any]) -> None:
    if not second_factor.has_factor(subject):
        raise Invalid({"": [_("这个账号没有启用动态口令。")]})
    second_factor.drop(actor, subject)


_NAME, _CODE = (
    Question(later("名称")),
    Question(later("统计代码"), hint=later("行政区划的统计代码，或本市自己的代码。")),
)
_SINCE = Question(later("从哪天起"), "date")

FORMS: dict[str, DirectoryForm] = {
    form.code: form
    for form in (
        DirectoryForm(
            "rename_place", later("更名"), {"name": _NAME, "code": _CODE, "since": _SINCE},
            lambda a, s, v: directory.rename_place(a, s, v["name"], v["code"], v["since"]), _held_place,
            later("旧名称和代码连同起止日期一起保留，以前的记录不变。"), about=_here, stay="under", changes="place",
        ),
        DirectoryForm(
            "move_place", later("划转"), {"parent": Question(later("划归哪里"), "place", later("只能划归另一个与现在的上级同级的地点。"))},
            lambda a, s, v: directory.move_place(a, s, v["parent"]),
            hint=later("连同下级一起划转，其中的记录随之转到新的上级。"), about=_here, stay="under",
        ),
        DirectoryForm(
            "merge_places", later("并入"), {"into": Question(later("并入哪里"), "place"), "on": Question(later("哪天撤销"), "date")},
            lambda a, s, v: directory.merge_places(a, s, v["into"], v["on"]), danger=True,
            hint=later("它的记录、岗位和曾用名转到并入的地点；它下面还有地点时，请先划转。"), about=_here,
        ),
        DirectoryForm(
            "split_place", later("拆分"), {"name": Question(later("新地点的名称")), "code": _CODE, "since": _SINCE},
            lambda a, s, v: directory.split_place(a, s, v["name"], v["code"], v["since"]),
            hint=later("在同一个上级之下新设一个地点，再把属于它的下级划转过去。"), about=_here, stay="under",
        ),
        DirectoryForm(
            "add_place", later("新增下级"), {"name": _NAME, "code": _CODE, "since": _SINCE},
            lambda a, s, v: directory.add_place(a, s, v["name"], v["code"], v["since"]), about=_here, stay="under",
        ),
        DirectoryForm(
            "add_agency", later("新增单位"),
            {"code": Question(later("代码"), hint=later("字母、数字或横线，定了不再改。")), "title": Question(later("全称")), "short": Question(later("简称")),
             "kind": Question(later("类别"), "kind"), "place": Question(later("所在地"), "place")},
            lambda a, s, v: directory.add_agency(a, v["code"], v["title"], v["short"], v["kind"], v["place"]),
        ),
        DirectoryForm(
            "change_agency", later("变更单位"),
            {"title": Question(later("全称")), "short": Question(later("简称")), "kind": Question(later("类别"), "kind"),
             "place": Question(later("所在地"), "place"),
             "ended_on": Question(later("撤销日期"), "date", later("仍在履职的不填。"), required=False)},
            _end_agency, _held_agency, changes="agency",
        ),
        DirectoryForm(
            "add_account", later("新增账号"),
            {"login": Question(later("登录名"), hint=later("2 到 60 个字母、数字或汉字。")), "name": Question(later("姓名")),
             "password": Question(
                 later("初始密码"), "password", later("不填时得到一个一次性链接，本人用它自己设密码。"), required=False),
             "agency": Question(later("单位"), "agency"), "role": Question(later("岗位"), "role"), "place": Question(later("管辖地点"), "place")},
            _new_account, hint=later("账号连同第一个岗位一起建立。"),
        ),
        DirectoryForm(
            "make_link", later("重设密码"), {}, _new_link, about=_account,
            hint=later("得到一个一次性链接，30 分钟内有效；请当面或打电话交给本人，由本人设新密码。原来的密码到那时才失效。"),
        ),
        DirectoryForm(
            "drop_factor", later("取消动态口令"), {}, _drop_factor, danger=True, about=_account,
            hint=later("本人的手机丢失、备用码也用完时使用。请先确认是本人。"),
        ),
        DirectoryForm(
            "link_identity", later("连接外部身份"),
            {"issuer": Question(later("认证服务的地址")), "subject": Question(later("认证服务给这个人的编号"), hint=later("认证服务里的 sub，不是邮箱。"))},
            lambda a, s, v: identities.link(a, s, v["issuer"], v["subject"]), about=_account,
        ),
        DirectoryForm(
            "unlink_identity", later("解除外部身份"), {}, _unlink, danger=True, about=_account,
            hint=later("这个人不能再用统一身份认证登录，密码照旧；可以重新连接。"),
        ),
        DirectoryForm(
            "rename_account", later("改姓名"), {"name": Question(later("姓名"))},
            lambda a, s, v: directory.rename_account(a, s, v["name"]), _held_account, about=_account,
            changes="account",
        ),
        DirectoryForm(
            "close_account", later("停用账号"), {}, lambda a, s, v: directory.close_account(a, s), danger=True, about=_account,
            hint=later("停用后不能登录，也不能办理；可以重新启用。"),
        ),
        DirectoryForm(
            "open_account", later("启用账号"), {}, lambda a, s, v: directory.close_account(a, s, active=True), about=_account,
        ),
        DirectoryForm(
            "add_post", later("新增岗位"),
            {"account": Question(later("人员"), "account"), "agency": Question(later("单位"), "agency"), "role": Question(later("岗位"), "role"),
             "place": Question(later("管辖地点"), "place"), "until": Question(later("到哪天为止"), "date", later("长期的不填。"), required=False)},
            lambda a, s, v: directory.add_post(a, v["account"], v["agency"], v["role"], v["place"], None, v["until"]),
        ),
        DirectoryForm(
            "name_care", later("加入关怀团队"), {"service": Question(later("关怀业务"), "care")},
            lambda a, s, v: care.name_member(a, s, v["service"]), about=_post,
            hint=later("加入后，这个岗位能看到管辖范围内或本单位负责的这项关怀业务；不能加自己的岗位。"),
        ),
        DirectoryForm(
            "end_care", later("退出关怀团队"), {}, lambda a, s, v: care.end_member(a, s), danger=True, about=_member,
            hint=later("从现在起，这个岗位看不到这项业务的任何记录。"),
        ),
        DirectoryForm(
            "end_post", later("停用岗位"), {"on": Question(later("从哪天起"), "date")},
            lambda a, s, v: directory.end_post(a, s, v["on"]), danger=True, about=_post,
            hint=later("从这一天起，这个岗位不能再查看和办理。"),
        ),
    )
}  # fmt: skip
"""The forms by code."""
