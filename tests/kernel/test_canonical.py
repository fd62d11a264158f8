"""Canonical JSON: byte-equal to the rfc8785 package and to RFC 8785's own vectors, and strict about the rest."""

import hashlib
import time
import uuid
from datetime import date
from decimal import Decimal
from enum import StrEnum

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from gongzhi.kernel.canonical import NotCanonical, UnknownAlgorithm, canonical, digest, salted

scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
keys = st.text(st.characters(max_codepoint=127))
documents = st.dictionaries(
    keys, st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)
)


@settings(max_examples=200, deadline=None)
@given(documents)
def test_byte_equal_to_rfc8785(document):
    assert canonical(document).encode() == rfc8785.dumps(document)


def test_rfc_8785_section_3_2_2_sample_without_its_numbers():
    # The sample's floats are refused here; its string and literals are the RFC's own bytes.
    given_ = {
        "numbers": ["333333333.33333329", "1e+30", "4.5"],
        "string": '€$\x0f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical(given_) == (
        '{"literals":[null,true,false],"numbers":["333333333.33333329","1e+30","4.5"],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_rfc_8785_control_characters():
    for code in range(0x20):
        short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}.get(code, f"\\u{code:04x}")
        assert canonical({"c": chr(code)}) == '{"c":"' + short + '"}'
    assert canonical({"c": "\x7f\u2028\u2029𠮷😀"}) == '{"c":"\x7f\u2028\u2029𠮷😀"}'


@pytest.mark.parametrize(
    ("number", "text"),  # RFC 8785 appendix B, the rows that are whole and under 2**53
    [(0, "0"), (9007199254740991, "9007199254740991"), (-9007199254740991, "-9007199254740991")],
)
def test_rfc_8785_appendix_b_integers(number, text):
    assert canonical({"n": number}) == '{"n":' + text + "}"


class Colour(StrEnum):
    RED = "red"


class Text(str):
    pass


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": {"b": [1, 2.0]}}, "$.a.b[1]"),
        ({"a": float("nan")}, "$.a"),
        ({"a": 2**53}, "$.a"),
        ({"a": [-(2**53)]}, "$.a[0]"),
        ({"区": 1}, "$"),
        ({1: 1}, "$"),
        ({"a": [{"\ud800": 1}]}, "$.a[0]"),
        ({"a": "x\ud800"}, "$.a"),
        ({"a": ["ok", "\udfff"]}, "$.a[1]"),
        ({"a": date(2026, 1, 1)}, "$.a"),
        ({"a": uuid.UUID(int=1)}, "$.a"),
        ({"a": Decimal("1.5")}, "$.a"),
        ({"a": b"x"}, "$.a"),
        ({"a": (1, 2)}, "$.a"),
        ({"a": Colour.RED}, "$.a"),
        ({"a": Text("x")}, "$.a"),
        ([], "$"),
    ],
)
def test_refused_with_its_path(value, path):
    with pytest.raises(NotCanonical) as caught:
        canonical(value)
    if isinstance(value, dict):
        assert caught.value.path == path
    assert str(caught.value).startswith(path)


def test_deep_nesting_is_refused_not_crashed():
    value: dict = {}
    for _ in range(5000):
        value = {"a": value}
    with pytest.raises(NotCanonical, match="nested deeper"):
        canonical(value)
    nest: list = []
    for _ in range(5000):
        nest = [nest]
    with pytest.raises(NotCanonical, match="nested deeper"):
        canonical({"a": nest})


def test_a_cycle_is_refused():
    value: dict = {}
    value["self"] = value
    with pytest.raises(NotCanonical):
        canonical(value)


def test_digests():
    assert digest("诉求") == hashlib.sha256("诉求".encode()).digest()
    assert salted("诉求", bytes(16)) == hashlib.sha256(bytes(16) + "诉求".encode()).hexdigest()
    assert salted("诉求", bytes(16)) != salted("诉求", b"\1" * 16)
    with pytest.raises(ValueError, match="16 bytes"):
        salted("诉求", b"short")
    for function in (lambda: digest("x", "md5"), lambda: salted("x", bytes(16), "md5")):
        with pytest.raises(UnknownAlgorithm):
            function()


def test_speed_is_printed(record_property):
    body = {
        "action": "assign", "actor": {"post": 41, "agency": 7, "role": "operator"}, "at": "2026-01-05T09:30:00+08:00",
        "record": "0198f3a2-7c11-7000-8000-000000000001", "service": "request", "from": "filed", "to": "assigned",
        "fields": {"agency": {"old": None, "new": 12}, "due_at": {"old": None, "new": "2026-01-12T17:30:00+08:00"}},
        "texts": {"remark": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, "version": 2,
    }  # fmt: skip
    start = time.perf_counter()
    for _ in range(5_000):
        text = canonical(body)
    spent = (time.perf_counter() - start) / 5_000 * 1e6
    record_property("canonical_us", spent)
    print(f"canonical: {spent:.2f} µs for {len(text.encode())} bytes")
