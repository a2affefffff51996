"""Calling functions (contract data.md §4.10 and §5)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

FUNCTIONS = """
create table artists (id int primary key, name text not null) with (rls = false);
create table albums (id int primary key, artist_id int references artists, title text, year int) with (rls = false);
insert into artists values (1, 'Nina'), (2, 'Miles');
insert into albums values (1, 1, 'Pastel Blues', 1965), (2, 1, 'Wild Is the Wind', 1966), (3, 2, 'Kind of Blue', 1959);

create function add_them(a int, b int default 10) returns int immutable language sql as 'select a + b';
create function add_all(variadic v int[]) returns bigint immutable language sql as 'select sum(x) from unnest(v) x';
create function echo_all(variadic words text[]) returns text[] immutable language sql as 'select words';
create function numbers(n int) returns setof int stable language sql as 'select * from generate_series(1, n)';
create function albums_of(artist int) returns setof albums stable language sql
  as 'select * from albums where artist_id = artist';
create function first_album() returns albums stable language sql as 'select * from albums order by id limit 1';
create function no_album() returns albums stable language sql as 'select * from albums where false';
create function years(since int default 0) returns table(year int, titles text[]) stable language sql
  as 'select year, array_agg(title) from albums where year >= since group by year order by year';
create function both_ways(inout a int, out b text) stable language sql as $$ select a + 1, 'b' || a $$;
create function single_out(out result int) stable language sql as 'select 7';
create function any_record() returns record stable language sql as $$ select 1, 'x'::text $$;
create function nothing() returns void language sql as '';
create function kinds(b boolean, n numeric, t text, d date, a int[], j jsonb, e json) returns jsonb stable language sql
  as 'select jsonb_build_array(b, n, t, d, a, j, e)';
create function one_char(c character) returns text stable language sql as 'select c::text';

create function who() returns jsonb stable language sql
  as $$ select jsonb_build_object('user', auth.user_id(), 'role', current_user, 'method', current_setting('request.method')) $$;
create function rename_album(which int, new_title text) returns albums language sql
  as 'update albums set title = new_title where id = which returning *';
create function shift_years(by int) returns setof albums language sql as 'update albums set year = year + by returning *';
create function sneaky() returns int stable language sql as $$ select id from rename_album(1, 'sneaked') $$;
create function my_todos() returns setof todos stable language sql as 'select * from todos';
create function all_todos() returns setof todos stable security definer language sql as 'select * from todos';
create function closed_to_all() returns int language sql as 'select 1';
revoke execute on function closed_to_all() from reactor_authenticated, reactor_anon;

create function whole_json(jsonb) returns jsonb stable language sql as 'select $1';
create function whole_text(text) returns text stable language sql as $$ select '<' || $1 || '>' $$;
create function whole_xml(xml) returns xml stable language sql as 'select $1';
create function whole_bytes(bytea) returns int stable language sql as 'select length($1)';
create function mixed(json) returns text stable language sql as $$ select 'whole' $$;
create function mixed(a int) returns text stable language sql as $$ select 'named' $$;
create function twice(a int) returns text stable language sql as $$ select 'int' $$;
create function twice(a text) returns text stable language sql as $$ select 'text' $$;

create function slow() returns int language sql set statement_timeout = '100ms' as 'select 1 from pg_sleep(5)';
create function settings() returns text[] stable language sql set statement_timeout = '3s' set work_mem = '1MB'
  set default_transaction_isolation = 'serializable'
  as $$ select array[current_setting('statement_timeout'), current_setting('transaction_isolation')] $$;
create function teapot() returns int language plpgsql as
  $$ begin raise sqlstate 'PT418' using message = 'no coffee', detail = 'tea', hint = 'ask for tea'; end $$;
create function decided() returns int language plpgsql as $$ begin
  raise sqlstate 'PGRST' using message = '{"code":"123","message":"my error","details":"d","hint":"h"}',
    detail = '{"status":402,"headers":{"X-Powered-By":"Nerd"}}'; end $$;
create function refused() returns int language plpgsql as $$ begin raise 'you may not' using hint = 'ask'; end $$;
create function says() returns text language sql as $$
  select set_config('response.status', '202', true);
  select set_config('response.headers', '[{"X-Said": "yes"}]', true); select 'done' $$;

create domain "image/png" as bytea;
create domain "text/html" as text;
create domain "*/*" as bytea;
create function picture() returns "image/png" stable language sql as $$ select '\\x89504e4700ff'::bytea::"image/png" $$;
create function page(name text default 'you') returns "text/html" stable language sql
  as $$ select ('<b>' || name || '</b>')::"text/html" $$;
create function file() returns "*/*" stable language sql as $$
  select set_config('response.headers', '[{"Content-Type": "text/x-plan"}]', true); select 'abc'::bytea::"*/*" $$;
"""


@pytest.fixture
def project(project: Path) -> Path:
    (project / "migrations" / "002_functions.sql").write_text(FUNCTIONS, encoding="utf-8")
    return project


def body(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def error(answer: Any) -> tuple[int, str, str, str]:
    told = answer.json()
    assert (told["ok"], told["error"]["status"]) == (False, answer.status_code)
    return answer.status_code, told["error"]["code"], told["code"], told["message"]


@pytest.mark.parametrize(
    ("url", "answered"),
    [
        ("add_them?a=1&b=2", 3),
        ("add_them?a=1", 11),
        ("add_them?a=1&a=5", 15),
        ("add_all?v=1&v=2&v=3", 6),
        ("numbers?n=3", [1, 2, 3]),
        ("numbers?n=0", []),
        ("numbers?n=9&limit=2&offset=3", [4, 5]),
        ("numbers?n=9&numbers=gt.7", [8, 9]),
        ("numbers?n=3&order=numbers.desc", [3, 2, 1]),
        ("first_album", {"id": 1, "artist_id": 1, "title": "Pastel Blues", "year": 1965}),
        ("first_album?select=title", {"title": "Pastel Blues"}),
        ("no_album", {"id": None, "artist_id": None, "title": None, "year": None}),
        ("first_album?id=eq.9", None),
        ("both_ways?a=3", {"a": 4, "b": "b3"}),
        ("single_out", {"result": 7}),
        ("any_record", {"?column?": 1, "text": "x"}),
        ("years?since=1966", [{"year": 1966, "titles": ["Wild Is the Wind"]}]),
        ("years?year=lt.1960&select=y:year", [{"y": 1959}]),
        ("one_char?c=long", "long"),
        ("whole_json", None),
    ],
)
def test_get_answers_in_the_shape_of_the_result(ann: Any, url: str, answered: Any) -> None:
    if url == "whole_json":
        assert error(ann.call("GET", "rpc/whole_json"))[:3] == (404, "function_not_found", "PGRST202")
        return
    answer = ann.call("GET", f"rpc/{url}")
    assert body(answer) == answered
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("function", "sent", "answered"),
    [
        ("add_them", {"a": 1, "b": 2}, 3),
        ("add_them", {"a": 1}, 11),
        ("add_them", [{"a": 4, "b": 1}, {"a": 100}], 5),
        ("add_them?columns=a", {"a": 1, "b": 2, "c": 3}, 11),
        ("add_all", {"v": [1, 2, 3]}, 6),
        ("numbers", {"n": 2}, [1, 2]),
        ("years", {}, [
            {"year": 1959, "titles": ["Kind of Blue"]},
            {"year": 1965, "titles": ["Pastel Blues"]},
            {"year": 1966, "titles": ["Wild Is the Wind"]},
        ]),
        ("first_album", None, {"id": 1, "artist_id": 1, "title": "Pastel Blues", "year": 1965}),
        ("first_album", b"", {"id": 1, "artist_id": 1, "title": "Pastel Blues", "year": 1965}),
        ("whole_json", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("whole_json", [1, 2], [1, 2]),
        ("whole_json", b'"text"', "text"),
        ("mixed", {"a": 1}, "named"),
        ("mixed", {"b": 1}, "whole"),
        (
            "kinds",
            {"b": True, "n": 1.50, "t": "it's", "d": "2020-02-01", "a": [1, None], "j": {"x": [1]}, "e": "s"},
            [True, 1.5, "it's", "2020-02-01", [1, None], {"x": [1]}, "s"],
        ),
    ],
)  # fmt: skip
def test_post_takes_the_arguments_from_the_body(ann: Any, function: str, sent: Any, answered: Any) -> None:
    assert body(ann.call("POST", f"rpc/{function}", body=sent)) == answered


def test_numbers_reach_postgres_exactly(ann: Any) -> None:
    text = b'{"b":false,"n":123456789012345678901234567890.123456789,"t":"","d":null,"a":[],"j":1e3,"e":null}'
    answer = ann.call("POST", "rpc/kinds", body=text)
    assert answer.text == '[false, 123456789012345678901234567890.123456789, "", null, [], 1000, null]'


@pytest.mark.parametrize(
    "word", ["", "a,b", '"', "\\", "{}", "NULL", "null", " a ", "it's", "ü\u2028", "a\nb", "$1", "%s", "()"]
)
def test_repeated_arguments_reach_a_variadic_parameter_as_they_are(ann: Any, word: str) -> None:
    from urllib.parse import quote

    encoded = quote(word, safe="")
    assert body(ann.call("GET", f"rpc/echo_all?words={encoded}&words=x&words={encoded}")) == [word, "x", word]
    form = f"words={encoded}&words={encoded}".encode()
    answer = ann.call("POST", "rpc/echo_all", body=form, Content_Type="application/x-www-form-urlencoded")
    assert body(answer) == [word, word]
    assert body(ann.call("POST", "rpc/echo_all", body={"words": [word]})) == [word]


def test_forms_and_csv_give_texts(ann: Any) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert body(ann.call("POST", "rpc/add_them", body=b"a=1&b=2", **form)) == 3
    assert body(ann.call("POST", "rpc/add_all", body=b"v=1&v=2", **form)) == 3
    sent = b'b=t&n=1.5&t=a%20b+c%C3%BC&d=2020-02-01&a={1,2}&j={"x":1}&e=[]'
    assert body(ann.call("POST", "rpc/kinds", body=sent, **form)) == [
        True, 1.5, "a b cü", "2020-02-01", [1, 2], {"x": 1}, [],
    ]  # fmt: skip
    csv = {"Content-Type": "text/csv"}
    assert body(ann.call("POST", "rpc/add_them", body=b"a,b\n3,4\n5,6\n", **csv)) == 7


def test_a_whole_body_goes_to_the_one_unnamed_parameter(ann: Any) -> None:
    def sent(function: str, content: bytes, media: str) -> Any:
        return ann.call("POST", f"rpc/{function}", body=content, Content_Type=media)

    assert body(sent("whole_text", "grüße, \"'".encode(), "text/plain; charset=utf-8")) == "<grüße, \"'>"
    assert body(sent("whole_bytes", b"\x00\xff\x01", "application/octet-stream")) == 3
    assert body(sent("whole_bytes", b"", "application/octet-stream")) == 0
    refused = sent("whole_bytes", b"x", "text/plain")
    assert error(refused) == (
        404,
        "function_not_found",
        "PGRST202",
        "Could not find the function public.whole_bytes in the schema cache",
    )
    assert refused.json()["details"] == (
        "Searched for the function public.whole_bytes with a single unnamed text parameter,"
        " but no matches were found in the schema cache."
    )
    assert error(sent("whole_bytes", b"x", "image/png")) == (
        400,
        "invalid_body",
        "PGRST102",
        "Content-Type not acceptable: image/png",
    )
    assert error(sent("whole_text", b"\xff", "text/plain")) == (
        400,
        "invalid_body",
        "PGRST102",
        "the text/plain is not UTF-8",
    )


def test_a_document_goes_to_the_unnamed_xml_parameter(ann: Any, rows: Any) -> None:
    from reactor_kernel.api import DatabaseFault

    try:
        rows("select '<a/>'::xml")
    except DatabaseFault:
        pytest.skip("this server is built without libxml")
    answer = ann.call("POST", "rpc/whole_xml", body=b"<a>1</a>", Content_Type="text/xml")
    assert body(answer) == "<a>1</a>"


def test_rows_of_a_relation_can_be_embedded_filtered_counted_and_paged(ann: Any) -> None:
    answer = ann.call("GET", "rpc/albums_of?artist=1&select=title,artists(name)&year=gte.1966", Prefer="count=exact")
    assert body(answer) == [{"title": "Wild Is the Wind", "artists": {"name": "Nina"}}]
    assert answer.headers["content-range"] == "0-0/1"
    part = ann.call("GET", "rpc/albums_of?artist=1&order=id&limit=1", Prefer="count=exact")
    assert (part.status_code, part.headers["content-range"]) == (206, "0-0/2")
    ranged = ann.call("GET", "rpc/numbers?n=100", Range="10-11")
    assert (body(ranged), ranged.headers["content-range"]) == ([11, 12], "10-11/*")
    posted = ann.call("POST", "rpc/albums_of?select=id&order=id.desc&limit=1", body={"artist": 1}, Prefer="count=exact")
    assert (body(posted, 206), posted.headers["preference-applied"]) == ([{"id": 2}], "count=exact")
    beyond = ann.call("GET", "rpc/numbers?n=3&offset=5", Prefer="count=exact")
    assert error(beyond)[:3] == (416, "range_not_satisfiable", "PGRST103")


def test_the_configured_cap_holds_for_functions(wire: Any, ann: Any) -> None:
    other = type(ann)(wire(max_limit=5, default_limit=3))
    assert body(other.call("GET", "rpc/numbers?n=100")) == [1, 2, 3]
    assert body(other.call("GET", "rpc/numbers?n=100&limit=50")) == [1, 2, 3, 4, 5]
    assert body(other.call("GET", "rpc/add_them?a=1")) == 11


def test_a_function_that_returns_nothing_is_204(ann: Any) -> None:
    answer = ann.call("POST", "rpc/nothing", body={})
    assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (204, b"", None)
    assert ann.call("GET", "rpc/nothing").status_code == 204


def test_head_answers_without_the_body(ann: Any) -> None:
    answer = ann.call("HEAD", "rpc/numbers?n=4", Prefer="count=exact")
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (200, b"", "0-3/4")


def test_options_say_which_methods_the_function_takes(ann: Any) -> None:
    assert ann.call("OPTIONS", "rpc/add_them").headers["allow"] == "OPTIONS,GET,HEAD,POST"
    assert ann.call("OPTIONS", "rpc/rename_album").headers["allow"] == "OPTIONS,POST"
    assert error(ann.call("OPTIONS", "rpc/nobody"))[:3] == (404, "function_not_found", "PGRST202")


def test_object_and_csv_are_forms_of_the_result(ann: Any) -> None:
    accept = "application/vnd.pgrst.object+json"
    one = ann.call("GET", "rpc/albums_of?artist=2", Accept=accept)
    assert body(one) == {"id": 3, "artist_id": 2, "title": "Kind of Blue", "year": 1959}
    assert one.headers["content-type"] == "application/vnd.pgrst.object+json; charset=utf-8"
    several = ann.call("GET", "rpc/albums_of?artist=1", Accept=accept)
    assert error(several)[:3] == (406, "singular_mismatch", "PGRST116")
    assert several.json()["details"] == "The result contains 2 rows"
    assert body(ann.call("GET", "rpc/add_them?a=1", Accept=accept)) == 11
    csv = ann.call("GET", "rpc/albums_of?artist=2", Accept="text/csv")
    assert csv.text == "id,artist_id,title,year\n3,2,Kind of Blue,1959".replace("Kind of Blue", '"Kind of Blue"')


# -- choosing the function --------------------------------------------------------------------------------------------


def test_no_function_takes_these_arguments(ann: Any) -> None:
    answer = ann.call("POST", "rpc/add_them", body={"a": 1, "c": 2})
    assert error(answer) == (
        404,
        "function_not_found",
        "PGRST202",
        "Could not find the function public.add_them(a, c) in the schema cache",
    )
    assert answer.json()["details"] == (
        "Searched for the function public.add_them with parameters a, c or with a single unnamed json/jsonb parameter,"
        " but no matches were found in the schema cache."
    )
    assert answer.json()["hint"] == "Perhaps you meant to call the function public.add_them(a, b)"
    missing = ann.call("GET", "rpc/add_them?b=1")
    assert missing.json()["details"] == (
        "Searched for the function public.add_them with parameter b, but no matches were found in the schema cache."
    )
    none = ann.call("GET", "rpc/ad_them")
    assert error(none)[3] == "Could not find the function public.ad_them without parameters in the schema cache"
    assert none.json()["details"] == (
        "Searched for the function public.ad_them without parameters, but no matches were found in the schema cache."
    )
    assert none.json()["hint"] == "Perhaps you meant to call the function public.add_them"
    assert ann.call("GET", "rpc/zzzzzz").json()["hint"] is None


def test_several_functions_take_these_arguments(ann: Any) -> None:
    answer = ann.call("POST", "rpc/twice", body={"a": 1})
    assert error(answer) == (
        300,
        "ambiguous_function",
        "PGRST203",
        "Could not choose the best candidate function between: public.twice(a => integer), public.twice(a => text)",
    )
    assert answer.json()["hint"] == (
        "Try renaming the parameters or the function itself in the database so function overloading can be resolved"
    )


def test_a_body_that_is_no_json_is_refused(ann: Any) -> None:
    answer = ann.call("POST", "rpc/add_them", body=b'{"a": ')
    assert error(answer) == (400, "invalid_body", "PGRST102", "Empty or invalid json")
    assert error(ann.call("POST", "rpc/add_them?foo=bar", body={"a": 1}))[:3] == (400, "invalid_filter", "PGRST100")
    wrong = ann.call("GET", "rpc/add_them?a=x")
    assert error(wrong) == (400, "invalid_input", "22P02", 'invalid input syntax for type integer: "x"')
    assert error(ann.call("GET", "rpc/albums_of?artist=1&select=nope"))[:3] == (400, "column_not_found", "42703")


def test_a_new_foreign_key_leads_to_embeds_without_a_notice(ann: Any, rows: Any) -> None:
    rows("create table labels (id int primary key)")
    rows("grant select on labels to reactor_authenticated")
    rows("alter table artists add column label int")
    assert error(ann.call("GET", "artists?select=labels(id)"))[:3] == (400, "embed_not_found", "PGRST200")
    rows("alter table artists add foreign key (label) references labels")
    time.sleep(1.1)  # the catalogue is looked at again once a second
    assert body(ann.call("GET", "artists?select=id,labels(id)&id=eq.1")) == [{"id": 1, "labels": None}]


def test_a_new_function_is_found_without_a_notice(ann: Any, rows: Any) -> None:
    assert ann.call("GET", "rpc/fresh").status_code == 404
    rows("create function fresh() returns int stable language sql as 'select 5'")
    time.sleep(1.1)  # the catalogue is looked at again once a second
    assert body(ann.call("GET", "rpc/fresh")) == 5


# -- transactions, rights, settings -----------------------------------------------------------------------------------


def test_the_function_runs_as_the_caller_under_row_security(two_orgs: Any) -> None:
    one, other = two_orgs
    one.insert({"title": "mine"})
    assert [row["title"] for row in body(one.call("GET", "rpc/my_todos"))] == ["mine"]
    assert body(other.call("GET", "rpc/my_todos")) == []
    assert [row["title"] for row in body(other.call("GET", "rpc/all_todos"))] == ["mine"]
    assert body(one.call("POST", "rpc/who", body={})) == {
        "user": one.user_id,
        "role": "reactor_authenticated",
        "method": "POST",
    }


def test_execute_is_the_right_that_counts(ann: Any, rows: Any) -> None:
    answer = ann.call("POST", "rpc/closed_to_all", body={})
    assert error(answer) == (403, "permission_denied", "42501", "permission denied for function closed_to_all")
    assert rows(
        "select event_type, table_name, details->>'denied', details->>'fn' from _reactor_data.audit_events"
        " where details ? 'denied'"
    ) == [("rpc.invoke", None, "true", "closed_to_all")]
    assert rows("select has_function_privilege('public', 'nothing()', 'execute')::text") == [("false",)]


def test_writes_inside_a_reading_call_are_refused(ann: Any, rows: Any) -> None:
    for answer in (
        ann.call("GET", "rpc/rename_album?which=1&new_title=x"),
        ann.call("GET", "rpc/sneaky"),
        ann.call("POST", "rpc/sneaky", body={}),
    ):
        assert error(answer) == (
            405,
            "method_not_allowed",
            "25006",
            "cannot execute UPDATE in a read-only transaction",
        )
    assert rows("select title from albums where id = 1") == [("Pastel Blues",)]
    changed = ann.call("POST", "rpc/rename_album", body={"which": 1, "new_title": "Blues"})
    assert body(changed)["title"] == "Blues"
    assert rows("select title from albums where id = 1") == [("Blues",)]


def test_max_affected_and_the_single_object_keep_nothing_when_exceeded(ann: Any, rows: Any) -> None:
    def call(function: str, sent: Any, most: int, **headers: str) -> Any:
        return ann.call("POST", f"rpc/{function}", body=sent, Prefer=f"handling=strict, max-affected={most}", **headers)

    over = call("shift_years", {"by": 1}, 2)
    assert error(over) == (
        400,
        "max_affected_exceeded",
        "PGRST124",
        "Query result exceeds max-affected preference constraint",
    )
    single = call("rename_album", {"which": 1, "new_title": "x"}, 2)
    assert error(single) == (
        400,
        "max_affected_exceeded",
        "PGRST128",
        "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
    )
    many = ann.call("POST", "rpc/shift_years", body={"by": 1}, Accept="application/vnd.pgrst.object+json")
    assert error(many)[:3] == (406, "singular_mismatch", "PGRST116")
    assert rows("select sum(year)::text, min(title) from albums") == [("5890", "Kind of Blue")]
    fitting = call("shift_years", {"by": 1}, 3)
    assert (len(body(fitting)), fitting.headers["preference-applied"]) == (3, "handling=strict, max-affected=3")
    assert rows("select sum(year)::text from albums") == [("5893",)]


def test_settings_of_the_function_apply_to_its_transaction(ann: Any) -> None:
    slow = ann.call("POST", "rpc/slow", body={})
    assert error(slow)[:3] == (500, "database_error", "57014")
    assert body(ann.call("GET", "rpc/settings")) == ["3s", "serializable"]


def test_every_call_is_on_record(ann: Any, rows: Any) -> None:
    ann.call("POST", "rpc/add_them", body={"a": 1, "b": 2})
    ann.call("GET", "rpc/add_all?v=1&v=2")
    ann.call("POST", "rpc/rename_album", body={"which": 1, "new_title": "nul \u0000 é"})
    ann.call("POST", "rpc/rename_album", body={"which": 1, "new_title": "é"})
    ann.call("POST", "rpc/whole_text", body=b"secret", Content_Type="text/plain")
    ann.call("POST", "rpc/whole_json", body={"deep": [1.5]})
    ann.call("POST", "rpc/rename_album", body={"which": 9, "new_title": "x" * 9000})
    ann.call("GET", "rpc/all_todos")
    ann.call("POST", "rpc/teapot", body={})
    found = [
        (row[0], row[1], json.loads(row[2] or "null"))
        for row in rows(
            "select event_type, actor_user_id::text, details::text from _reactor_data.audit_events order by ts, id"
        )
    ]
    assert {(event, user) for event, user, _ in found} == {("rpc.invoke", ann.user_id)}
    assert [details for _, _, details in found] == [
        {"fn": "add_them", "args": {"a": 1, "b": 2}, "security": "invoker"},
        {"fn": "add_all", "args": {"v": ["1", "2"]}, "security": "invoker"},
        {"fn": "rename_album", "args": {"which": 1, "new_title": "é"}, "security": "invoker"},
        {"fn": "whole_text", "args": None, "security": "invoker"},
        {"fn": "whole_json", "args": {"deep": [1.5]}, "security": "invoker"},
        {"fn": "rename_album", "args": None, "security": "invoker"},
        {"fn": "all_todos", "args": {}, "security": "definer"},
    ]


def test_the_platforms_permission_can_be_demanded_beside_the_grant(served: Any) -> None:
    guarded = served("", rpc_permission="enforce")
    answer = guarded.ann.call("GET", "rpc/add_them?a=1")
    assert error(answer) == (
        403,
        "permission_denied",
        "42501",
        "the permission data:rpc:add_them:invoke is required",
    )
    assert error(guarded.ann.call("POST", "rpc/unheard_of", body={}))[:2] == (404, "function_not_found")
    assert guarded.rows("select event_type, details::text from _reactor_data.audit_events") == [
        ("rpc.invoke", '{"fn": "add_them", "denied": true}')
    ]


def test_a_call_can_be_tried_without_keeping_it(wire: Any, ann: Any, rows: Any) -> None:
    other = type(ann)(wire(tx_end="commit-allow-override"))
    answer = other.call("POST", "rpc/rename_album", body={"which": 1, "new_title": "Gone"}, Prefer="tx=rollback")
    assert (body(answer)["title"], answer.headers["preference-applied"]) == ("Gone", "tx=rollback")
    assert body(other.call("GET", "albums?id=eq.1&select=title")) == [{"title": "Pastel Blues"}]


# -- what SQL says ----------------------------------------------------------------------------------------------------


def test_functions_raise_their_own_errors(ann: Any) -> None:
    tea = ann.call("POST", "rpc/teapot", body={})
    assert error(tea) == (418, "raised", "PT418", "no coffee")
    assert (tea.json()["details"], tea.json()["hint"]) == ("tea", "ask for tea")
    own = ann.call("POST", "rpc/decided", body={})
    assert error(own) == (402, "raised", "123", "my error")
    assert (own.json()["details"], own.json()["hint"], own.headers["x-powered-by"]) == ("d", "h", "Nerd")
    assert error(ann.call("POST", "rpc/refused", body={})) == (400, "raised", "P0001", "you may not")


def test_functions_change_status_and_headers(ann: Any) -> None:
    answer = ann.call("POST", "rpc/says", body={})
    assert (body(answer, 202), answer.headers["x-said"]) == ("done", "yes")


def test_functions_make_other_media_types(ann: Any) -> None:
    picture = ann.call("GET", "rpc/picture", Accept="image/png")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.content == b"\x89PNG\x00\xff"
    html = ann.call("GET", "rpc/page?name=me", Accept="text/html")
    assert (html.text, html.headers["content-type"]) == ("<b>me</b>", "text/html")
    assert body(ann.call("GET", "rpc/page", Accept="application/json")) == "<b>you</b>"
    anything = ann.call("GET", "rpc/file", Accept="text/unheard-of")
    assert (anything.content, anything.headers["content-type"]) == (b"abc", "text/x-plan")
    refused = ann.call("GET", "rpc/page", Accept="image/png")
    assert error(refused)[:3] == (406, "not_acceptable", "PGRST107")


def test_a_plan_is_answered_in_place_of_the_call(wire: Any, ann: Any) -> None:
    other = type(ann)(wire(plan_enabled=True))
    accept = "application/vnd.pgrst.plan+json"
    answer = other.call("POST", "rpc/rename_album", body={"which": 1, "new_title": "planned"}, Accept=accept)
    assert "Plan" in body(answer)[0]
    assert body(other.call("GET", "albums?id=eq.1&select=title")) == [{"title": "Pastel Blues"}]


def test_without_a_token_nothing_is_called(ann: Any) -> None:
    answer = ann.client.post("/data/v1/rpc/nothing", json={})
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["code"]) == (
        401,
        "unauthorized",
        "PGRST302",
    )


def test_a_call_that_was_only_planned_is_not_on_record(served: Any) -> None:
    own = served("", plan_enabled=True)
    plan = "application/vnd.pgrst.plan+json"
    for accept in (plan, f"{plan}; options=verbose", f"{plan}; options=analyze"):
        assert own.ann.call("GET", "rpc/add_them?a=1", Accept=accept).status_code == 200
    assert own.rows("select details ->> 'fn' from _reactor_data.audit_events") == [("add_them",)]
