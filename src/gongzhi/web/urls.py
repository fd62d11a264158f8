"""Addresses of pages and API."""

from django.urls import path

from gongzhi.web import errors, feed, health, language, unsubscribe
from gongzhi.web.api import api
from gongzhi.web.console import (
    atlas,
    bulk,
    calendars,
    channels,
    deadlines,
    directory,
    doing,
    exporting,
    helping,
    importing,
    lists,
    notices,
    outgoing,
    persons,
    plates,
    queue,
    record,
    signing,
    views,
)
from gongzhi.web.portal import follow, report, scanned

urlpatterns = [
    path("", report.home),
    path("report", report.report),
    path("report/done", report.done),
    path("services", report.offers),
    path("follow", follow.find),
    path("follow/forget", follow.forget),
    path("follow/<str:number>", follow.show),
    path("follow/<str:number>/do/<slug:code>", follow.do),
    path("follow/<str:number>/file/<uuid:key>", follow.file),
    path("q/<str:number>.<str:code>", scanned.scanned),
    path("places/below", signing.places_below),
    path("map/base", atlas.base),
    path("language", language.choose),
    path("signin", signing.signin),
    path("signout", signing.signout),
    path("work/", queue.queue),
    path("work/deadlines", deadlines.board),
    path("work/map", atlas.show),
    path("work/map/points", atlas.points),
    path("work/search", lists.search),
    path("calendar/<str:token>.ics", feed.feed),
    path("work/calendar", calendars.calendar),
    path("work/notices", notices.notices),
    path("unsubscribe/<str:token>", unsubscribe.unsubscribe),
    path("work/channels", channels.channels),
    path("work/outgoing", outgoing.outgoing),
    path("work/notices/unread", notices.unread),
    path("work/post", signing.post),
    path("work/at", signing.at),
    path("work/s/<slug:code>/", lists.listing),
    path("work/s/<slug:code>/new", doing.new),
    path("work/s/<slug:code>/help", helping.show),
    path("work/s/<slug:code>/plates", plates.plates),
    path("work/s/<slug:code>/bulk", bulk.bulk),
    path("work/s/<slug:code>/export/<slug:kind>", exporting.export),
    path("work/s/<slug:code>/views", views.save),
    path("work/s/<slug:code>/views/<int:key>/drop", views.drop),
    path("work/r/<str:number>", record.show),
    path("work/r/<str:number>/qr", plates.code),
    path("work/r/<str:number>/plate", plates.plate),
    path("work/r/<str:number>/do/<slug:code>", doing.do),
    path("work/r/<str:number>/person/<uuid:key>", persons.person),
    path("work/r/<str:number>/file/<uuid:key>", record.file),
    path("work/places", directory.places),
    path("work/agencies", directory.agencies_page),
    path("work/posts", directory.posts_page),
    path("work/import", importing.uploads),
    path("work/import/empty/<slug:name>", importing.empty),
    path("work/import/<int:key>", importing.job),
    path("work/import/<int:key>/quarantine", importing.quarantine),
    path("api/", api.urls),
    path("health", health.health),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.absent
handler500 = errors.broken
