"""Care 关怀: health, reintegration, children. Their records are for the named team alone, whoever else owes or governs.

A service is one of care by its declaration. Its team are posts, each named by an administrator, who names nobody of the own
account; every change is a line of the directory's chain. Being of the team adds nothing to what a post sees by place and
agency, it only opens the records of care among them. The rule stands in ``sql/rights.sql``; what this module gives it is
empty where no service is one of care, so that nothing is paid for.
"""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor
from gongzhi.kernel.generate import quoted
from gongzhi.kernel.models import CareMember
from gongzhi.kernel.refusals import Invalid
from gongzhi.kernel.roles import CLOCK, LOADER
from gongzhi.kernel.service import Service, cared, service


def care_services() -> list[Service]:
    """Return the services of care."""
    return [service(code) for code in cared()]


def name_member(actor: Actor, post: int, code: str) -> int:
    """Put a post into the team of a service of care; return the membership's id.

    Raises Invalid: no such service, or the post is of the team already. Raises Absent where the actor may not.
    """
    if code not in cared():
        raise Invalid({"service": [_("请选择一项关怀业务。")]})
    return int(change(actor, "name_care", "bigint, text", [post, code], {"post": post, "service": code}))


def end_member(actor: Actor, member: int) -> None:
    """End a membership today: from now on the post sees nothing of the service. Raises Absent."""
    change(actor, "end_care", "bigint", [member], {"member": member})


def teams(posts: Iterable[int]) -> dict[int, list[tuple[int, Service]]]:
    """Return of these posts the memberships of today, as (id, service); call it inside ``acting()``."""
    made: dict[int, list[tuple[int, Service]]] = {}
    today = timezone.localdate()
    held = CareMember.objects.filter(post__in=posts, since__lte=today, service__in=cared()).exclude(until__lte=today)
    for member in held.order_by("pk"):
        made.setdefault(member.post_id, []).append((member.pk, service(member.service)))
    return made


def parts() -> dict[str, str]:
    """Return what the rule says of care, by the mark that stands for it in the scripts."""
    codes = cared()
    care = f"ARRAY[{quoted(*codes)}]::text[]"
    made = {"care": care, "care_allowed": "", "care_reach": "NULL::text[]", "care_enter": "", "care_kept": ""}
    made |= {"care_before": "", "care_before_is": "IMMUTABLE"}
    if not codes:
        return made
    return made | {
        "care_allowed": f"\n       AND (p_service <> ALL ({care}) OR p_service = ANY (p_care) OR p_record = p_proven)",
        "care_before_is": "STABLE",
        "care_before": f"""
       AND (p_record = p_proven OR NOT EXISTS (
           SELECT FROM public.register r WHERE r.id = p_record AND r.service = ANY ({care})))""",
        "care_reach": f"""\
CASE WHEN p.role IN ({quoted(CLOCK.code, LOADER.code)}) THEN {care}
                ELSE ARRAY(SELECT m.service::text FROM public.care_member m WHERE m.post_id = p.id
                           AND m.since <= d.today AND (m.until IS NULL OR m.until > d.today)) END""",
        "care_enter": ",\n                         set_config('gz.care', array_to_string(r.care, ' '), true)",
        "care_kept": f"""
          AND NOT EXISTS (SELECT FROM public.register r WHERE r.id = k.record_id AND r.service = ANY ({care})
                          AND r.service <> ALL (a.care))""",
    }


def filled(text: str) -> str:
    """Return a script with these parts written in."""
    made: Any = parts()
    for name, part in made.items():
        text = text.replace(f"{{{name}}}", part)
    return text
