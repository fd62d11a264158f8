"""Grants and row policies, made of the models: what the application's role may do, and which rows it sees.

Everything of the kernel and of the services is behind the door: the application reads it, the generated functions write
it. Everything else (sessions, jobs, counters against abuse) the application writes itself, and the documentation says so.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connections

from gongzhi.kernel.generate import quoted
from gongzhi.kernel.models import (
    Account,
    Contact,
    Leaf,
    Lending,
    OutsideIdentity,
    Party,
    PasswordLink,
    Rate,
    RecoveryCode,
    RegisterWords,
    SecondFactor,
    SignInTry,
    Subtree,
)
from gongzhi.kernel.service import Record, cared, services

_OPEN = (SignInTry, Rate)  # counters, not records
_APPEND = ("entry", "disclosure", "leaf", "subtree", "checkpoint", "cosignature")
_PUBLIC = ("place", "place_name", "agency", "checkpoint", "cosignature")
"""Public knowledge, wanted by the portal and by auditors before anyone is known."""

_UNSEEN = (RegisterWords, Lending, SecondFactor, RecoveryCode, PasswordLink, OutsideIdentity, Leaf, Subtree)
"""What the application's role does not read at all: functions answer for them."""

_ON_RECORD = "EXISTS (SELECT FROM public.register r WHERE r.id = {column})"
_POST = "coalesce(current_setting('gz.post', true), '') <> ''"
_SOMEONE = f"{_POST} OR coalesce(current_setting('gz.follow', true), '') <> ''"
_LOOKS = (
    f"EXISTS (SELECT FROM public.register r WHERE r.id = disclosure.record_id AND ({_POST} OR ("
    "coalesce(disclosure.sealed_until, '-infinity') <= now() AND (disclosure.party_id IS NULL OR EXISTS ("
    "SELECT FROM public.party p WHERE p.id = disclosure.party_id AND (r.service, p.role) IN ({asking}))))))"
)
"""Who works on a record sees every look in it; the holder of its follow-up code those at the own fields that no seal hides."""
_ENTRIES = (
    f"{_ON_RECORD.format(column='record_id')} AND (action <> 'disclose' OR {_POST} OR EXISTS ("
    "SELECT FROM public.disclosure d WHERE d.record_id = entry.record_id AND d.at = entry.at))"
)
_RULES = {
    "entry": _ENTRIES,
    "register": "kernel.sees(place_path, agency_id, id) AND service <> 'directory'",
    "link": f"{_ON_RECORD.format(column='a_id')} AND {_ON_RECORD.format(column='b_id')}",
    "account": _SOMEONE,
    "post": _SOMEONE,
    "care_member": _SOMEONE,
    "notice": "agency_id = nullif(current_setting('gz.agency', true), '')::bigint",
    "notice_read": "account_id = nullif(current_setting('gz.account', true), '')::bigint",
    "contact": "account_id = nullif(current_setting('gz.account', true), '')::bigint",
    "outbox_position": _POST,
}

_CARE = {"register": "kernel.cares(service, id)", "notice": _ON_RECORD.format(column="record_id")}
"""What beside it must hold where a service is one of care. What hangs from a record follows the register; notices do not,
they are their agency's, and a line more or less would tell."""


def asking() -> str:
    """Return each service and the role of the party that holds its follow-up codes, as rows for IN."""
    held = [(service.code, service.asking) for service in services().values() if service.asking]
    return ", ".join(f"('{code}', '{role}')" for code, role in held) or "('', '')"


def behind_the_door() -> list[Any]:
    """Return the models whose rows only the kernel's functions write."""
    return [
        model
        for model in apps.get_models()
        if model not in _OPEN and (model._meta.app_label == "kernel" or issubclass(model, Record))
    ]


def _beside() -> list[Any]:
    """Return the models that the application writes itself."""
    closed = set(behind_the_door())
    return [model for model in apps.get_models() if model not in closed]


def grants(kernel: str, app: str) -> Iterator[str]:
    """Yield the statements that give each role what it needs, and take away the rest."""
    for model in behind_the_door():
        table = model._meta.db_table
        rights = "SELECT, INSERT" if table in _APPEND else "SELECT, INSERT, UPDATE"
        yield f'REVOKE ALL ON public."{table}" FROM "{kernel}", "{app}"'
        yield f'GRANT {rights}{", DELETE" if model is Contact else ""} ON public."{table}" TO "{kernel}"'
        if model in _UNSEEN:
            continue
        columns = ""
        if model in (Account, Contact, Party):
            columns = f" ({', '.join(field.column for field in model._meta.local_fields)})"
        yield f'GRANT SELECT{columns} ON public."{table}" TO "{app}"'
    yield f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{kernel}"'
    existing = set(connections["owner"].introspection.table_names())
    for table in sorted({model._meta.db_table for model in _beside()} | {"django_migrations"}):
        if table in existing:
            rights = "SELECT" if table == "django_migrations" else "SELECT, INSERT, UPDATE, DELETE"
            yield f'GRANT {rights} ON public."{table}" TO "{app}"'
            yield (
                f"DO $$ DECLARE s text := pg_get_serial_sequence('public.\"{table}\"', a.attname) FROM pg_attribute a "
                f"WHERE a.attrelid = 'public.\"{table}\"'::regclass AND a.attname = 'id'; BEGIN "
                f"IF s IS NOT NULL THEN EXECUTE 'GRANT USAGE ON SEQUENCE ' || s || ' TO \"{app}\"'; END IF; END $$"
            )


def rule(model: Any) -> str | None:
    """Return the condition under which a row of the model is seen; None for what is public."""
    table = model._meta.db_table
    if table in _PUBLIC:
        return None
    if model in _UNSEEN:
        return "false"
    if table == "disclosure":
        return _LOOKS.replace("{asking}", asking())
    if table in _RULES:
        return _RULES[table]
    return _ON_RECORD.format(column="record_id")


def without_policies() -> Iterator[str]:
    """Yield the statements that drop the row policies, whose functions are about to be made anew (one transaction)."""
    for model in behind_the_door():
        for name in ("seen", "kernel", "care"):
            yield f'DROP POLICY IF EXISTS {name} ON public."{model._meta.db_table}"'


def policies(kernel: str) -> Iterator[str]:
    """Yield the statements that make the row policies anew."""
    for model in behind_the_door():
        table, condition = model._meta.db_table, rule(model)
        if condition is None:
            continue
        yield f'ALTER TABLE public."{table}" ENABLE ROW LEVEL SECURITY'
        yield f'CREATE POLICY seen ON public."{table}" FOR SELECT USING ({condition})'
        if cared() and table in _CARE:
            yield (
                f'CREATE POLICY care ON public."{table}" AS RESTRICTIVE FOR SELECT '
                f"USING (current_user = {quoted(kernel)} OR ({_CARE[table]}))"
            )
        yield f'CREATE POLICY kernel ON public."{table}" TO "{kernel}" USING (true) WITH CHECK (true)'
