"""The worker: a thread looks after outbox and deadlines, another sends messages, the main thread runs the queue's jobs."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

import psycopg
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.db.utils import Error
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException

from gongzhi.channels import checkpoints, results, sending, spreading
from gongzhi.channels import queue as outgoing
from gongzhi.cli.database import hang_up
from gongzhi.intake import jobs
from gongzhi.kernel import worker
from gongzhi.kernel.context import NoPost
from gongzhi.kernel.erasure import WrongClock, erase_ended, sweep_files
from gongzhi.kernel.keys import KeyFileError
from gongzhi.kernel.limits import sweep
from gongzhi.kernel.seals.sealing import SealError, seal

JOBS = (jobs.import_table, jobs.sweep_imports)  # imported, so that the queue knows them
BY_HAND = "by-hand"
"""Value of ``GONGZHI_ERASURE`` in a city that erases with ``gongzhi erase`` alone."""
log = logging.getLogger("gongzhi.worker")


def work() -> None:
    """Work until SIGINT or SIGTERM. The process ends if either half fails for good; the supervisor starts it again."""
    ending = threading.Event()
    watchers = [threading.Thread(target=_watch, args=(ending, every), daemon=True) for every in (_INSIDE, _OUTSIDE)]
    for watcher in watchers:
        watcher.start()
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it would say several times a second what is said here
    try:
        asyncio.run(_jobs())
    except ConnectorException as error:
        log.warning(
            "jobs: %s", error.__cause__ or error
        )  # the database went away; the supervisor starts the worker again
    finally:
        ending.set()
        for watcher in watchers:
            watcher.join(10)


async def _jobs() -> None:
    with app.replace_connector(app.connector.get_worker_connector()) as running:  # type: ignore[attr-defined]
        async with running.open_async():
            await running.run_worker_async(
                concurrency=1, wait=True, delete_jobs="successful", shutdown_graceful_timeout=8
            )


def _watch(ending: threading.Event, every: Mapping[Callable[[], object], float]) -> None:
    due = dict.fromkeys(every, 0.0)
    while not ending.is_set():
        for task, at in due.items():
            if time.monotonic() < at:
                continue
            try:
                task()
                due[task] = time.monotonic() + every[task]
            except (Error, psycopg.Error, OSError, NoPost) as error:  # whatever it is, the other tasks go on
                log.warning("%s: %s", getattr(task, "__name__", task), str(error).partition("\n")[0])
                connection.close()
                due[task] = time.monotonic() + 5
        ending.wait(0.5)
    hang_up()


def _tell() -> None:
    while worker.tell_outbox():
        pass


def _deadlines() -> None:
    worker.watch_deadlines()


def _seal() -> None:
    try:
        seal()
    except (SealError, KeyFileError) as error:
        log.error("seal: %s", error)  # said again at every round, until somebody looks


def _erase() -> None:
    if os.environ.get("GONGZHI_ERASURE", "") != BY_HAND:
        try:
            erase_ended()
        except WrongClock as error:
            log.error("erase: %s", error)  # at every round, as above


def _publish() -> None:
    try:
        checkpoints.publish()
    except (SealError, KeyFileError) as error:
        log.error("checkpoint: %s", error)


def _channels() -> None:
    results.announce()
    spreading.spread()
    spreading.gather()
    sending.send_waiting()


# Seconds between two rounds. What speaks to servers outside has a thread of its own: they may take their time.
_INSIDE: Mapping[Callable[[], object], float] = {
    _tell: 1.0, _deadlines: 60.0, _seal: 60.0, _erase: 60.0, sweep: 3600.0, SessionStore.clear_expired: 3600.0,
    sweep_files: 86400.0,
}  # fmt: skip
_OUTSIDE: Mapping[Callable[[], object], float] = {_channels: 2.0, _publish: 60.0, outgoing.sweep: 3600.0}
