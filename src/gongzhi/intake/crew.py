"""The posts with which sample and historic matters are carried through: who may do each step is the procedure's say."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor, acting, actor_of, clock_actor, loader_actor, portal_actor
from gongzhi.kernel.models import Agency, Post
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.roles import ROLES, Scope


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
        raise NoCrew(_("还没有受理员、督办员或承办人的账号。请用 gongzhi demo 建立样例账号，或先在“岗位”页面添加。"))
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


class Posts:
    """The posts of today's people, asked for who may do a step: by the declaration alone, whatever the service."""

    def __init__(self, actors: list[Actor]) -> None:
        self.actors = actors
        self._held: dict[tuple[tuple[str, ...], str, int], Actor] = {}

    @classmethod
    def all(cls, loader: Actor) -> "Posts":
        """Return the posts of the current database."""
        with acting(loader):
            posts = list(Post.objects.filter(until=None).order_by("id").values_list("pk", "role"))
        return cls([actor_of(post) for post, role in posts if role in ROLES])

    def who(self, action: Action, path: str, owes: int) -> Actor:
        """Return a post that may act: of the agency that owes it, or whose area is the closest round the place.

        LookupError: there is none.
        """
        roles = tuple(role.code for role in action.by)
        key = (roles, path, owes)
        if key not in self._held:
            able = [
                actor for actor in self.actors
                if actor.role in roles
                and (actor.agency == owes if ROLES[actor.role].scope is Scope.AGENCY else actor.low <= path < actor.high)
            ]  # fmt: skip
            if not able:
                raise LookupError(_("“{title}”没有可以办理的岗位").format(title=action.title))
            self._held[key] = max(able, key=lambda actor: (actor.agency == owes, len(actor.low)))
        return self._held[key]
