"""What can go wrong with the database server, each with one sentence for the person at the keyboard."""


class PostgresError(Exception):
    """The embedded server, or a named one, cannot be used. ``str()`` is one Chinese sentence with the way out."""


class DiskFull(PostgresError):
    """No space is left where the data lies."""


class WrongVersion(PostgresError):
    """The data folder was made by another major version of PostgreSQL."""


class HomeUnusable(PostgresError):
    """The folder cannot hold a database: not writable, another user's, or damaged."""


class NoUser(PostgresError):
    """Started by root, and no unprivileged user of the system could be had."""


class NotStarted(PostgresError):
    """The server did not come up; the sentence carries the server's own last words."""


class BadUrl(PostgresError):
    """A connection address that libpq does not understand."""
