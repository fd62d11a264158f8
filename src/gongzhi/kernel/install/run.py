"""The order of an installation, and the roles it works with."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.db.utils import OperationalError, ProgrammingError
from django.utils.translation import gettext as _

from gongzhi.kernel import care, roles
from gongzhi.kernel.erasure import blanking, periods
from gongzhi.kernel.generate import Function, function, quoted
from gongzhi.kernel.generate_many import function_for_many
from gongzhi.kernel.install.citypack import load_city, other_city
from gongzhi.kernel.install.constraints import check_constraints
from gongzhi.kernel.install.indexes import indexes
from gongzhi.kernel.install.rights import asking, grants, policies, without_policies
from gongzhi.kernel.pack import load_pack
from gongzhi.kernel.purposes import purpose_rows
from gongzhi.kernel.roles import Scope
from gongzhi.kernel.seals.leaf import leaf_sql
from gongzhi.kernel.service import services

_LOCK = 0x676F6E677A6869  # one installation at a time
_WAIT = 0.2


class InstallError(Exception):
    """The database cannot be brought to this release; the sentence says what is missing."""


@dataclass(frozen=True)
class Roles:
    """The three roles of one installation: ``owner`` migrates, ``kernel`` owns the door, ``app`` goes through it."""

    owner: str
    kernel: str
    app: str

    @classmethod
    def of(cls, app: str, owner: str) -> "Roles":
        """Return the roles by the application's: ``<name>_app`` goes with ``<name>_kernel``. Raises InstallError."""
        if not app.endswith("_app"):
            raise InstallError(
                _("应用的数据库角色应命名为“名称_app”，现在是“{app}”。请按操作手册建立三个角色。").format(app=app)
            )
        return cls(owner, app.removesuffix("_app") + "_kernel", app)


def install(*, load: bool = True) -> dict[str, int]:
    """Bring the database of the aliases ``owner`` and ``default`` to this release, and load the city's pack.

    Returns how many rows of the pack were added. Runs again without changing anything. Raises InstallError.
    """
    connection = connections["owner"]
    try:
        with connection.cursor() as cursor:
            _alone(cursor)
            version = connection.pg_version  # type: ignore[attr-defined]
    except OperationalError as error:
        raise InstallError(_("连不上数据库：{error}").format(error=str(error).strip())) from error
    if version < 180000:
        raise InstallError(
            _("需要 PostgreSQL 18 或更新的版本，这个服务器是 {value}。请升级服务器或使用内嵌数据库。").format(
                value=version // 10000
            )
        )
    try:
        if load and (fault := _other_city(connection)):
            raise InstallError(fault)
        call_command("migrate", database="owner", verbosity=0, interactive=False, skip_checks=True)
        _tables_stand(connection.introspection.table_names())
        made = Roles.of(settings.DATABASES["default"]["USER"], settings.DATABASES["owner"]["USER"])
        try:
            _generate(made)
        except ProgrammingError as error:
            raise InstallError(
                _("数据库角色的权限不够：{error}。需要的权限见操作手册。").format(error=str(error).strip())
            ) from error
        return load_city(settings.CITY) if load else {}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _alone(cursor: Any) -> None:
    """Wait until no other installation runs. Not within a statement: an index that is built meanwhile would wait for that one."""
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if cursor.fetchone()[0]:
            return
        time.sleep(_WAIT)


def _tables_stand(names: Sequence[str]) -> None:
    """Raise InstallError where a service has no table: its migration was not written."""
    for service in services().values():
        if service.model._meta.db_table not in names:
            raise InstallError(
                _(
                    "业务“{title}”({code})还没有数据表。请先运行 python -m django makemigrations {desk}，再试一次。"
                ).format(title=service.title, code=service.code, desk=service.model._meta.app_label)
            )


def _other_city(connection: Any) -> str:
    def run(statement: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    return other_city(run, load_pack(settings.CITY))


def installed() -> bool:
    """Return whether the database holds every function that this release calls."""
    names = [made.name for made in _generated()]
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(to_regproc(name)) FROM unnest(%s::text[]) name", [names])
        row = cursor.fetchone()
    return bool(row and row[0] == len(names))


def _generated() -> list[Function]:
    """Return the functions made of the declarations."""
    made = [function(service, action) for service in services().values() for action in service.procedure]
    return made + [function_for_many(service) for service in services().values()]


def _generate(made: Roles) -> None:
    connection = connections["owner"]
    with transaction.atomic(using="owner"), connection.cursor() as cursor:
        run: Any = cursor.execute
        run(f'CREATE SCHEMA IF NOT EXISTS kernel AUTHORIZATION "{made.kernel}"')
        run(f'GRANT USAGE ON SCHEMA public TO "{made.kernel}", "{made.app}"')
        for statement in grants(made.kernel, made.app):
            run(statement)
        for statement in (*check_constraints(cursor), *indexes(cursor), *without_policies()):
            run(statement)
        run(f'SET LOCAL ROLE "{made.kernel}"')
        _functions(cursor, made)
        run("RESET ROLE")
        for statement in policies(made.kernel):
            run(statement)


def _functions(cursor: Any, made: Roles) -> None:
    """Make the functions anew. Those of the release before stay until the next one, for processes still running."""
    generated = _generated()
    ours = {made.name for made in generated}
    cursor.execute(
        """
        SELECT p.oid::regprocedure::text, n.nspname || '.' || p.proname,
               coalesce(obj_description(p.oid, 'pg_proc'), '')
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'kernel'
        """
    )
    held: list[tuple[str, str, str]] = cursor.fetchall()
    changed = {name for _other, name, _other in held} - ours
    fresh = not ours <= {name for _other, name, _other in held}
    for signature, name, note in held:
        if not note.startswith("action"):
            cursor.execute(f"DROP FUNCTION {signature}")
        elif name in changed and fresh:
            if note == "action of the release before":
                cursor.execute(f"DROP FUNCTION {signature}")
            else:
                cursor.execute(f"COMMENT ON FUNCTION {signature} IS 'action of the release before'")
    for script in (
        "rights.sql",
        "ledger.sql",
        "directory.sql",
        "people.sql",
        "audit.sql",
        "care.sql",
        "contacts.sql",
        "seals.sql",
        "erasure.sql",
        "seeking.sql",
    ):
        cursor.execute(_script(script))
    for service in services().values():
        cursor.execute(f"CREATE SEQUENCE IF NOT EXISTS kernel.number_{service.code}")
    for made_function in generated:
        cursor.execute(made_function.text)
        cursor.execute(f"COMMENT ON FUNCTION {made_function.name} IS 'action'")
    cursor.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kernel FROM PUBLIC")
    cursor.execute(f'GRANT USAGE ON SCHEMA kernel TO "{made.app}", "{made.owner}"')
    cursor.execute(f'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA kernel TO "{made.app}", "{made.owner}"')
    for inner in ("chronicle", "renew_recovery", "put_link"):
        cursor.execute(f'REVOKE ALL ON FUNCTION kernel.{inner} FROM "{made.app}"')


def _script(name: str) -> str:
    """Return one of the kernel's scripts with the roles written in."""
    text = (resources.files("gongzhi.kernel") / "sql" / name).read_text(encoding="utf-8")
    area = [role.code for role in roles.ROLES.values() if role.scope is Scope.AREA]
    sighted = [role.code for role in roles.ROLES.values() if role.scope is not Scope.NONE]
    return (
        care.filled(text)
        .replace("{area_roles}", quoted(*area))
        .replace("{sighted_roles}", quoted(*sighted))
        .replace("{staff_roles}", quoted(*(role.code for role in roles.STAFF)))
        .replace("{plated}", quoted("", *(service.code for service in services().values() if service.plate)))
        .replace("{zone}", quoted(settings.TIME_ZONE))
        .replace("{leaf}", leaf_sql("n"))
        .replace("{erasing}", blanking())
        .replace("{retention}", periods())
        .replace("{purposes}", purpose_rows(services()))
        .replace("{asking}", asking())
    )
