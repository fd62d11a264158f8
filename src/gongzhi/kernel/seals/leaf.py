"""What of an entry a seal covers: one text, written by the same expression wherever it is needed.

The text names the entry, its record and place in it, who did what when, and the hash that covers its body and all before
it in the record. The transaction's id is left out (a restored database has others), and the sealed words, which end with
their key; their salted digests stand in the body.
"""

FORMAT = "gongzhi entry 1"
_UTC = "to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_COLUMNS = (
    ("id", "{e}.id::text"),
    ("record", "{e}.record_id::text"),
    ("seq", "{e}.seq::text"),
    ("at", _UTC.format(column="{e}.at")),
    ("recorded", _UTC.format(column="{e}.recorded_at")),
    ("post", "{e}.post_id::text"),
    ("account", "{e}.account_id::text"),
    ("agency", "{e}.agency_id::text"),
    ("loader", "coalesce({e}.loader_id::text, '')"),
    ("action", "{e}.action"),
    ("from", "{e}.stage_from"),
    ("to", "{e}.stage_to"),
    ("version", "{e}.version::text"),
    ("alg", "{e}.alg"),
    ("hash", "encode({e}.hash, 'hex')"),
)
HEAD_BEFORE = """
    LEFT JOIN LATERAL (SELECT o.hash FROM public.entry o WHERE e.seq > 1 AND o.record_id = e.record_id AND o.seq = e.seq - 1
        UNION ALL SELECT sha256('directory'::bytea)
         WHERE e.record_id = '00000000-0000-0000-0000-000000000000' AND e.seq = 2) p ON true"""
"""Joins the head that an entry ``e`` goes on from, as ``p.hash``. The directory's chain has no first entry: it begins with a
head of its own, at its second line (``kernel.install.citypack``)."""

NAMES = tuple(name for name, _ in _COLUMNS)


def leaf_sql(alias: str) -> str:
    """Return the SQL expression (bytea) of the leaf of an entry: the format's name and fifteen lines."""
    columns = ", ".join(sql.format(e=alias) for _, sql in _COLUMNS)
    return f"convert_to(concat_ws(E'\\n', '{FORMAT}', {columns}), 'UTF8')"


def leaf_fields(leaf: bytes) -> dict[str, str]:
    """Return what a leaf says, by name. Raises ValueError."""
    kind, *values = leaf.decode().split("\n")
    if kind != FORMAT:
        raise ValueError(f"a leaf of another kind: {kind[:40]}")
    return dict(zip(NAMES, values, strict=True))
