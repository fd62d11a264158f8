"""The posts with which sample and historic matters are carried through: who may do each step is the procedure's say."""

from dataclasses import dataclass

from gongzhi.kernel.context import Actor, acting, actor_of, clock_actor, loader_actor, portal_actor
from gongzhi.kernel.models import Agency, Post


class NoCrew(Exception):
    """There are no posts to carry matters through with; the sentence says how to get them."""


@dataclass(frozen=True)
class Crew:
    """Actors: of the system, of the dispatch office, and of each agency (by its code)."""

    loader: Actor
    portal: Actor
    clock: Actor
    operator: Actor
    manager: Actor
    grid: Actor | None
    handlers: dict[str, Actor]
    centres: dict[str, Actor]
    agencies: dict[str, int]


def crew() -> Crew:
    """Return the posts of the current database. Raises NoCrew."""
    loader = loader_actor()
    with acting(loader):
        posts = list(Post.objects.filter(until=None).select_related("agency").order_by("id"))
        agencies = dict(Agency.objects.values_list("code", "pk"))
    first: dict[str, Actor] = {}
    handlers: dict[str, Actor] = {}
    centres: dict[str, Actor] = {}
    for post in posts:
        if post.role == "handler":
            handlers.setdefault(post.agency.code, actor_of(post.pk))
        elif post.role == "centre":
            centres.setdefault(post.agency.code, actor_of(post.pk))
        elif post.role not in first:
            first[post.role] = actor_of(post.pk)
    if "operator" not in first or "manager" not in first or not handlers:
        raise NoCrew("还没有受理员、督办员或承办人的账号。请用 gongzhi demo 建立样例账号，或先在“岗位”页面添加。")
    return Crew(
        loader,
        portal_actor(),
        clock_actor(),
        first["operator"],
        first["manager"],
        first.get("grid"),
        handlers,
        centres,
        agencies,
    )
