"""Write docs/glossary.md: the kernel's nouns by hand, everything declared from the declarations. A test holds it current."""

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gongzhi.settings")

NOUNS = (
    (
        "行政区划 / 地点",
        "place",
        "Place",
        "a node of the tree whose levels the city pack names; names and codes are dated",
    ),
    ("单位", "agency", "Agency", "a body that owes answers"),
    ("账号", "account", "Account", "a person who signs in"),
    ("岗位", "post", "Post", "account + agency + role + place: rights come from posts"),
    ("事项 / 记录", "record", "Register", "anything with an owner and a life; one narrow row, typed facts beside it"),
    ("业务", "service", "Service", "a kind of record, declared once"),
    ("流程", "procedure", "Procedure", "the table of stages and actions"),
    ("环节", "stage", "Stage", "a state of a record"),
    ("动作", "action", "Action", "an edge of the procedure: who, from where, to where, what form, by when"),
    ("期限", "deadline", "due_at", "the end of the running step, in working days"),
    ("工作日", "working day", "workdays", "a day on which offices work, by the city's calendar"),
    ("办理过程 / 条目", "entry", "Entry", "one line of the append-only log"),
    ("当事人", "party", "Party", "a person or organisation in a record; what is known of them is encrypted"),
    ("查看记录", "disclosure", "Disclosure", "one look at a person's fields, with its purpose"),
    ("查询码", "follow-up code", "follow", "what a resident keeps to follow, rate and reopen"),
    ("附件", "attachment", "Attachment", "a file, sealed with the record's key"),
    ("关联", "link", "Link", "a tie between two records"),
    ("任务", "task", "Task", "a small duty within a record"),
    ("通知", "notice", "Notice", "a line for an agency about a record"),
    ("催办", "escalation", "escalate", "someone above looks at what is late"),
    ("督办", "supervision", "manager", "watching that deadlines are kept"),
    ("派单 / 转办", "assignment / handing on", "assign, hand_on", "giving a record to the agency that owes the answer"),
    ("城市资料包", "city pack", "Pack", "a city as data"),
    ("级别", "level", "Level", "a step of the tree of places, from the whole city down: two to six, named by the pack"),
    (
        "历史导入",
        "history",
        "Historian",
        "rows that bring their whole life: each step an act at its own time, the loader answering",
    ),
    ("隔离", "quarantine", "quarantine", "rows that could not be imported, with reasons"),
)


def text() -> str:
    """Return the glossary."""
    import django

    django.setup()
    from gongzhi.kernel.roles import ROLES
    from gongzhi.kernel.service import services
    from gongzhi.tongue import listed

    lines = ["# Glossary", "", "Made by `python tools/glossary.py`; a test holds it current.", ""]
    lines += ["## Nouns", "", "| 中文 | English | code | what it is |", "|---|---|---|---|"]
    lines += [f"| {zh} | {en} | `{code}` | {what} |" for zh, en, code, what in NOUNS]
    lines += ["", "## Roles", "", "| 中文 | code | sees |", "|---|---|---|"]
    sees = {"area": "its area, and what its agency owes", "agency": "what its agency owes", "none": "nothing by itself"}
    lines += [f"| {role.title} | `{role.code}` | {sees[role.scope.value]} |" for role in ROLES.values()]
    for service in services().values():
        lines += [
            "",
            f"## {service.title} `{service.code}`",
            "",
            service.about,
            "",
            "| 环节 | code | |",
            "|---|---|---|",
        ]
        lines += [
            f"| {stage.title} | `{stage.code}` | {'' if stage.open else 'closed'} |"
            for stage in service.procedure.stages
        ]
        lines += ["", "| 动作 | code | by | within |", "|---|---|---|---|"]
        for action in service.procedure:
            within = f"{action.within.days} working days, {action.source}" if action.within else ""
            lines.append(
                f"| {action.title} | `{action.code}` | {listed(role.title for role in action.by)} | {within} |"
            )
        lines += ["", "| 内容 | column |", "|---|---|"]
        lines += [f"| {fact.verbose_name} | `{name}` |" for name, fact in service.facts.items()]
    return "\n".join(map(str, lines)) + "\n"


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
    target.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{target.name}\n")
