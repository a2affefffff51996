"""The tables are read as they are meant, and an answer that differs is found to differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from .table import Exchange, differences, read_tables

TABLE = """# A comment, and settings.
max_limit = 3

### two exchanges
PATCH films?id=eq.1
As: bob
Prefer: a
Prefer: b

{"year": 1963}

200
Content-Range: 0-0/*
Location: -
[{"id": 1}]
GET films
204

### another
POST films
Content-Type: text/csv

id,name
1,x
201
...
"""


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "topic.http").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_table_says_what_is_sent_and_what_comes_back(tmp_path: Path) -> None:
    first, second = read_tables(written(tmp_path, TABLE))
    assert (first.id, first.settings, first.writes) == ("topic: two exchanges", {"max_limit": 3}, True)
    patch, get = first.exchanges
    assert (patch.method, patch.path, patch.caller, patch.line) == ("PATCH", "films?id=eq.1", "bob", 5)
    assert patch.headers == {"As": "bob", "Prefer": "a, b"}
    assert (patch.content, patch.status, patch.expected) == ('{"year": 1963}', 200, '[{"id": 1}]')
    assert patch.expected_headers == {"Content-Range": "0-0/*", "Location": "-"}
    assert (get.method, get.status, get.expected, get.caller) == ("GET", 204, "", "ann")
    assert (second.exchanges[0].content, second.exchanges[0].expected) == ("id,name\n1,x", "...")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("### a\nGET x\n200\n### a\nGET x\n200\n", "topic.http has two cases named 'a'"),
        ("### a\nGET x\n", "topic.http:1: GET x has no status"),
        ("### a\nhello\nGET x\n200\n", "topic.http:1: 'hello' stands before any request"),
        ("### a\n\n", "topic.http:1: the case has no request"),
    ],
)
def test_a_text_that_is_no_table_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_tables(written(tmp_path, text))
    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("expected", "status", "found"),
    [
        ('[{"a": 1, "b": null}]', 200, '[{"b": null, "a": 1}]'),
        ('[{"a": 1}]', 200, '[{"a": 1, "b": 2}]'),
        ('[{"a": 1}]', 200, '[{"a": true}]'),
        ('[{"a": 1}]', 200, '[{"a": "1"}]'),
        ("[]", 200, "[[]]"),
        ("", 200, "[]"),
        ("[]", 200, ""),
        ("1", 200, "2"),
        ("id\n1", 200, "id\n2"),
        ('{"code": "x"}', 400, '{"code": "y"}'),
        ('{"code": "x"}', 400, "{}"),
        ('{"error": {"code": "x"}}', 400, '{"error": {}}'),
    ],
)
def test_a_body_that_differs_is_a_difference(expected: str, status: int, found: str) -> None:
    exchange = Exchange("GET", "x", 1, status=status, expected=expected)
    assert differences(exchange, status, {}, found) == [f"body {found or 'empty'}, expected {expected or 'empty'}"]
    assert differences(exchange, status, {}, expected) == []


def test_placeholders_and_parts_of_errors_are_enough() -> None:
    assert differences(Exchange("GET", "x", 1, status=200, expected="..."), 200, {}, "anything") == []
    some = Exchange("GET", "x", 1, status=200, expected='[{"id": "<any>"}]')
    assert differences(some, 200, {}, '[{"id": 7}]') == []
    part = Exchange("GET", "x", 1, status=404, expected='{"error": {"code": "x"}}')
    assert differences(part, 404, {}, '{"ok": false, "error": {"code": "x", "status": 404}}') == []


def test_status_and_headers_are_compared() -> None:
    exchange = Exchange("GET", "x", 1, status=200, expected_headers={"A": "1", "B": "-", "C": "<any>"})
    assert differences(exchange, 200, {"A": "1", "C": "x"}, "") == []
    assert differences(exchange, 201, {"A": "2", "B": "x"}, "") == [
        "status 201, expected 200",
        "A: 2, expected 1",
        "B: x, expected -",
        "C is absent",
    ]
