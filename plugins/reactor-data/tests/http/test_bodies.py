"""What a body may be, and what is said of one that cannot be used."""

from __future__ import annotations

import json
from typing import Any

import pytest

SHOWN = "return=representation"


def test_csv_is_read_by_its_first_line(ann: Any) -> None:
    body = b"\r\n".join(
        (
            b"title,n,done,tags,data",
            b'"a, ""b""",1,true,"{x,y}","{""k"":[1]}"',
            b"NULLs,NULL,false,NULL,NULL",
            b"third,7,false,{},null",
            b"",
        )
    )
    answer = ann.call("POST", "todos?select=title,n,done,tags,data", body=body, Content_Type="text/csv", Prefer=SHOWN)
    assert answer.status_code == 201, answer.text
    assert answer.json() == [
        {"title": 'a, "b"', "n": 1, "done": True, "tags": ["x", "y"], "data": {"k": [1]}},
        {"title": "NULLs", "n": None, "done": False, "tags": None, "data": None},
        {"title": "third", "n": 7, "done": False, "tags": [], "data": None},
    ]


def test_csv_takes_columns_and_fills_in_what_is_missing(ann: Any) -> None:
    answer = ann.call(
        "POST",
        "todos?columns=title,done&select=title,n,done",
        body=b"title,n,junk\na,1,x\nb,2,\n",
        Content_Type="text/csv; charset=utf-8",
        Prefer=f"missing=default, {SHOWN}",
    )
    assert answer.json() == [{"title": "a", "n": None, "done": False}, {"title": "b", "n": None, "done": False}]


def test_an_empty_csv_field_is_an_empty_text(ann: Any) -> None:
    ann.insert({"title": "x"})
    answer = ann.call("PATCH", "todos?select=title", body=b'title\n""\n', Content_Type="text/csv", Prefer=SHOWN)
    assert answer.json() == [{"title": ""}]


def test_a_form_is_one_row_of_texts(ann: Any) -> None:
    answer = ann.call(
        "POST",
        "todos?select=title,n,data",
        body=b"title=a+%26+%C3%A9&n=1&n=2&data=%7B%22k%22%3A1%7D",
        Content_Type="application/x-www-form-urlencoded",
        Prefer=SHOWN,
    )
    assert (answer.status_code, answer.json()) == (201, [{"title": "a & é", "n": 2, "data": {"k": 1}}])


REFUSED = [
    ("text/yaml", b"a: 1", "Content-Type not acceptable: text/yaml", None),
    ("application/octet-stream", b"x", "Content-Type not acceptable: application/octet-stream", None),
    ("application/json", b'{"title": "\xff"}', "Empty or invalid json", ...),
    ("application/json", b"[" * 20_000 + b"]" * 20_000, "the JSON is nested too deep", None),
    (
        "application/json",
        b'{"title":"a","data":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        "the JSON is nested too deep",
        None,
    ),
    ("application/json", b'{"title":"a"},{"title":"b"}', "Empty or invalid json", "there is more behind the object"),
    ("application/json", b'[{"title":"a"}],[]', "Empty or invalid json", ...),
    ("application/json", b'[{"title":"a"},[1]]', "All elements of the array must be JSON objects", ...),
    (
        "application/json",
        b'[{"title":"a"},{"title":"b"},{"n":1,"title":"c"}]',
        "All object keys must match",
        "element 2 differs from the first: with n",
    ),
    (
        "text/csv",
        b"title,n\na,1\nb\n",
        "All lines must have same number of fields",
        "row 2 (line 3) has 1 fields, the first line names 2",
    ),
    (
        "text/csv",
        b'title,n\n"a\nb",1\nb,2,3\n',
        "All lines must have same number of fields",
        "row 2 (line 4) has 3 fields, the first line names 2",
    ),
    ("text/csv", b"", "the CSV is empty", None),
    ("text/csv", b"title,title\na,b\n", "the CSV names the column 'title' twice", None),
    ("text/csv", b'title\n"a', "the CSV cannot be read at line 2", "unexpected end of data"),
    ("text/csv", b"title\n\xff\n", "the CSV is not UTF-8", "byte 6: invalid start byte"),
    ("application/x-www-form-urlencoded", b"title=%FF", "the form is not UTF-8", "byte 0: invalid start byte"),
]


@pytest.mark.parametrize(("kind", "body", "message", "detail"), REFUSED)
def test_a_body_that_cannot_be_used_is_400_and_says_why(
    ann: Any, kind: str, body: bytes, message: str, detail: Any
) -> None:
    answer = ann.call("POST", "todos", body=body, Content_Type=kind)
    said = answer.json()
    assert (answer.status_code, said["code"], said["error"]["code"]) == (400, "PGRST102", "invalid_body")
    assert said["message"] == message
    if detail is not ...:
        assert said["details"] == detail
    assert ann.call("GET", "todos").json() == []


def test_numbers_that_fit_no_float_arrive_exactly(ann: Any, kernel: Any, project: Any) -> None:
    (project / "migrations" / "002.sql").write_text(
        "create table sums (a numeric) with (rls = false);", encoding="utf-8"
    )
    kernel.migrator.run()
    number = "1" + "0" * 400
    answer = ann.call(
        "POST", "sums", body=f'[{{"a":{number}}},{{"a":1e350}},{{"a":0.{"1" * 60}}}]'.encode(), Prefer=SHOWN
    )
    assert answer.status_code == 201
    assert answer.text.startswith(f'[{{"a":{number}}}')
    assert f"0.{'1' * 60}" in answer.text


def test_a_hundred_thousand_rows_are_one_request(ann: Any, rows: Any) -> None:
    body = json.dumps([{"title": f"row {number}", "n": number} for number in range(100_000)]).encode()
    answer = ann.call("POST", "todos", body=body, Prefer="count=exact")
    assert (answer.status_code, answer.headers["Content-Range"], answer.headers["x-affected-rows"]) == (
        201,
        "*/100000",
        "100000",
    )
    assert rows("select count(*)::text, sum(n)::text from todos") == [("100000", "4999950000")]
    lines = b"title,n\n" + b"".join(b"line %d,%d\n" % (number, number) for number in range(100_000))
    assert ann.call("POST", "todos", body=lines, Content_Type="text/csv").status_code == 201
    assert rows("select count(*)::text from todos") == [("200000",)]


def test_a_body_over_the_limit_is_413_in_both_halves_of_the_envelope(ann: Any, wire: Any) -> None:
    small = type(ann)(wire(max_body_bytes=1024))
    answer = small.call("POST", "todos", body={"title": "x" * 2000})
    said = answer.json()
    assert (answer.status_code, said["error"]["code"]) == (413, "payload_too_large")
