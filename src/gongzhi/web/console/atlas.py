"""The map of open matters: points of records over the city's own place points. No tiles, no outside host."""

from typing import Any

import orjson
from django.db.models import Count, Max, Min, Q
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.service import Service, services
from gongzhi.web.console.deadlines import GROUPS, conditions
from gongzhi.web.templatetags.gz import due_of
from gongzhi.web.who import chosen_place, in_place, page, reads, services_of

MOST = 5000
_DRAWN = (
    "number", "title", "service_code", "stage_code", "lon", "lat", "due_at", "amber_at", "due_source", "paused_at",
    "closed_at", "agency__short",
)  # fmt: skip


@reads
def show(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the map with its legend of counts, and the same by place as a table."""
    place, now, only = chosen_place(request, actor), timezone.now(), _only(request)
    depth = 2 + len(place.path if place else (actor.low or "00"))
    clocked = Q(due_at__isnull=False) & ~Q(due_source="")
    counted: list[Any] = list(  # once over everything open: at half a million records a second pass would be felt
        Register.objects.filter(in_place(place), _of(only), closed_at=None)
        .values(path=Substr("place_path", 1, depth))
        .annotate(
            all=Count("pk"),
            placed=Count("lon"),
            **{code: Count("pk", filter=clocked & q) for code, q in conditions(now).items()},
        )
    )
    counts = {name: sum(row[name] for row in counted) for name in ("all", "placed", *GROUPS)}
    by_path = {row["path"]: row["all"] for row in counted}
    names = {p.path: p for p in Place.objects.filter(path__in=by_path)}
    table = sorted(((names[path], n) for path, n in by_path.items() if path in names), key=lambda row: -row[1])
    return page(
        request, actor, "web/console/map.html", counts=counts, table=table, active="map",
        legend=[(code, title, counts[code]) for code, title in GROUPS.items()],
        waiting=counts["all"] - sum(counts[code] for code in GROUPS), unplaced=counts["all"] - counts["placed"],
        only=only, kinds=services_of(actor),
    )  # fmt: skip


@reads
def points(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Return the open records that have a position as GeoJSON, the most urgent first."""
    now = timezone.now()
    found = (
        Register.objects.filter(
            in_place(chosen_place(request, actor)),
            _of(_only(request)),
            closed_at=None,
            lon__isnull=False,
            lat__isnull=False,
        )
        .select_related("agency")
        .only(*_DRAWN)
        .order_by("due_at")[:MOST]
    )
    features = []
    for record in found:
        due = due_of(record, now)
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [record.lon, record.lat]},
                "properties": {
                    "number": record.number, "title": record.title, "stage": str(record.stage.title), "tone": due.tone,
                    "due": due.word, "agency": record.agency.short,
                },
            }
        )  # fmt: skip
    text = orjson.dumps({"type": "FeatureCollection", "features": features})
    return HttpResponse(text, content_type="application/json")


def _only(request: HttpRequest) -> Service | None:
    """Return the one service that the map is narrowed to, None where it shows all."""
    return services().get(request.GET.get("service", ""))


def _of(only: Service | None) -> Q:
    return Q(service_code=only.code) if only else Q()


def base(_: HttpRequest) -> HttpResponse:
    """Return the city's places that have a point, as GeoJSON: the quiet base of every map. Public knowledge."""
    rows = Place.objects.filter(
        ended_on=None, lon__isnull=False, level__in=[level.code for level in city().levels[1:3]]
    )
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [place.lon, place.lat]},
            "properties": {"name": place.name, "level": place.level},
        }
        for place in rows
    ]
    found = list(rows.aggregate(w=Min("lon"), s=Min("lat"), e=Max("lon"), n=Max("lat")).values())
    lon, lat = city().centre
    bounds = found if features else [lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05]
    response = JsonResponse({"type": "FeatureCollection", "features": features, "bounds": bounds})
    response["Cache-Control"] = "public, max-age=600"
    return response
