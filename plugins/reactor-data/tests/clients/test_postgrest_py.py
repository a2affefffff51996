"""The official Python client, unchanged but for its base URL and headers, against this server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from postgrest import APIError, CountMethod, ReturnMethod, SyncPostgrestClient


@pytest.fixture
def ann(base: str) -> Iterator[SyncPostgrestClient]:
    with SyncPostgrestClient(base, headers={"Authorization": "Bearer ann"}) as client:
        yield client


def ids(found: Any) -> list[int]:
    return [row["id"] for row in found.data]


FILTERS: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "eq": (lambda q: q.eq("title", 'Fiasco, or "not"'), [4]),
    "eq null is nothing": (lambda q: q.eq("lent", True), [1]),
    "neq": (lambda q: q.neq("id", 1), [2, 3, 4]),
    "gt": (lambda q: q.gt("year", 1971), [1, 4]),
    "gte": (lambda q: q.gte("year", 1971), [1, 2, 4]),
    "lt": (lambda q: q.lt("price", 8.25), [2]),
    "lte": (lambda q: q.lte("price", 8.25), [2, 3]),
    "is null": (lambda q: q.is_("lent", None), [3]),
    "is true": (lambda q: q.is_("lent", True), [1]),
    "not is": (lambda q: q.not_.is_("lent", None), [1, 2, 4]),
    "like": (lambda q: q.like("title", "%of%"), [2]),
    "ilike": (lambda q: q.ilike("title", "%THE%"), [1, 2]),
    "like all": (lambda q: q.like_all_of("title", "%o%,%s"), [3]),
    "like any": (lambda q: q.like_any_of("title", "Sol%,%Heaven"), [2, 3]),
    "ilike all": (lambda q: q.ilike_all_of("title", "%O%,%S"), [3]),
    "ilike any": (lambda q: q.ilike_any_of("title", "sol%,%heaven"), [2, 3]),
    "in": (lambda q: q.in_("title", ["Solaris", 'Fiasco, or "not"']), [3, 4]),
    "not in": (lambda q: q.not_.in_("id", [1, 2]), [3, 4]),
    "or": (lambda q: q.or_("id.eq.1,and(year.gt.1980,lent.is.false)"), [1, 4]),
    "not or": (lambda q: q.not_.or_("id.eq.1,id.eq.2"), [3, 4]),
    "match": (lambda q: q.match({"author_id": 1, "lent": False}), [2]),
    "filter": (lambda q: q.filter("year", "in", "(1961,1986)"), [3, 4]),
    "fts": (lambda q: q.fts("about", "moons"), [1]),
    "plfts": (lambda q: q.plfts("about", "dreams true"), [2]),
    "phfts": (lambda q: q.phfts("about", "failed visit"), [4]),
    "wfts": (lambda q: q.wfts("about", "ocean or moons"), [1, 3]),
    "text search": (lambda q: q.text_search("about", "dreams", {"type": "plain", "config": "english"}), [2]),
    "range sl": (lambda q: q.sl("sold", (8, 30)), [2]),
    "range sr": (lambda q: q.sr("sold", (0, 15)), [3]),
    "range nxl": (lambda q: q.nxl("sold", (9, 12)), [1, 3]),
    "range nxr": (lambda q: q.nxr("sold", (0, 20)), [1, 2]),
    "range adj": (lambda q: q.adj("sold", (19, 25)), [1]),
    "range ov": (lambda q: q.ov("sold", "[4,11)"), [1, 2]),
    "range cs": (lambda q: q.contains("sold", "[12,13)"), [1]),
    "range cd": (lambda q: q.contained_by("sold", "[0,25)"), [1, 2]),
}


def test_every_filter_of_the_client_finds_its_rows(ann: SyncPostgrestClient) -> None:
    found = {
        name: ids(asked(ann.from_("books").select("id")).order("id").execute()) for name, (asked, _) in FILTERS.items()
    }
    assert found == {name: expected for name, (_, expected) in FILTERS.items()}


def test_arrays_and_documents_are_filtered(ann: SyncPostgrestClient) -> None:
    def asked(narrow: Callable[[Any], Any]) -> list[int]:
        return ids(narrow(ann.from_("authors").select("id")).order("id").execute())

    assert asked(lambda q: q.contains("tags", ["two words"])) == [1]
    assert asked(lambda q: q.cs("tags", ["sf"])) == [1, 2]
    assert asked(lambda q: q.cd("tags", ["sf", "other"])) == [2]
    assert asked(lambda q: q.contained_by("tags", ["sf", "two words"])) == [1, 2]
    assert asked(lambda q: q.ov("tags", ["two words", "x"])) == [1]
    assert asked(lambda q: q.contains("data", {"a": {"b": 1}})) == [1]
    assert asked(lambda q: q.eq("data->a->>b", 1)) == [1]


def test_rows_are_ordered_paged_counted_and_shaped(ann: SyncPostgrestClient) -> None:
    books = ann.from_("books")
    assert ids(books.select("*").order("year", desc=True).limit(2).execute()) == [4, 1]
    assert ids(books.select("*").order("price", nullsfirst=True).order("id").execute()) == [4, 2, 3, 1]
    assert ids(books.select("*").order("id").range(1, 2).execute()) == [2, 3]
    assert ids(books.select("*").order("id").limit(2).offset(3).execute()) == [4]
    counted = books.select("id", count=CountMethod.exact).limit(1).execute()
    assert (len(counted.data), counted.count) == (1, 4)
    head = books.select("*", count=CountMethod.exact, head=True).execute()
    assert (head.data, head.count) == ([], 4)
    assert isinstance(books.select("*", count=CountMethod.planned).execute().count, int)
    assert books.select("*", count=CountMethod.estimated).execute().count == 4
    assert books.select("title").eq("id", 3).single().execute().data == {"title": "Solaris"}
    assert books.select("title").eq("id", 3).maybe_single().execute().data == {"title": "Solaris"}
    assert books.select("title").eq("id", 99).maybe_single().execute() is None
    assert books.select("id", "title").lte("id", 2).order("id").csv().execute().data == (
        'id,title\n1,"The Dispossessed"\n2,"Lathe of Heaven"'
    )
    assert books.select("id", "price").eq("id", 4).strip_nulls().execute().data == [{"id": 4}]
    assert "Scan" in books.select("id").explain().execute()
    assert "Plan" in books.select("id").explain(format="json", analyze=True).execute().data[0]


def test_related_rows_are_embedded(ann: SyncPostgrestClient) -> None:
    authors = ann.from_("authors")
    found = authors.select("name,books(title)").order("id").order("year", foreign_table="books").execute()
    assert found.data == [
        {"name": "Ursula", "books": [{"title": "Lathe of Heaven"}, {"title": "The Dispossessed"}]},
        {"name": "Stanislaw", "books": [{"title": "Solaris"}, {"title": 'Fiasco, or "not"'}]},
        {"name": "Nobody", "books": []},
    ]
    one = (
        authors.select("name,books(id)").eq("id", 1).order("id", foreign_table="books").limit(1, foreign_table="books")
    )
    assert one.execute().data == [{"name": "Ursula", "books": [{"id": 1}]}]
    inner = authors.select("name,books!inner(id)").gt("books.year", 1980).execute()
    assert inner.data == [{"name": "Stanislaw", "books": [{"id": 4}]}]
    either = authors.select("id,books(id)").eq("id", 2).or_("id.eq.3,year.gt.1990", reference_table="books").execute()
    assert either.data == [{"id": 2, "books": [{"id": 3}]}]
    to_one = ann.from_("books").select("title,authors(name)").eq("id", 3).execute()
    assert to_one.data == [{"title": "Solaris", "authors": {"name": "Stanislaw"}}]
    spread = ann.from_("books").select("title,...authors(author:name)").eq("id", 3).execute()
    assert spread.data == [{"title": "Solaris", "author": "Stanislaw"}]
    assert ann.from_("books").select("author_id,count()").order("author_id").execute().data == [
        {"author_id": 1, "count": 2},
        {"author_id": 2, "count": 2},
    ]


def test_rows_are_written(ann: SyncPostgrestClient, base: str) -> None:
    books = ann.from_("books")
    made = books.insert({"id": 10, "title": "One", "year": 2001}).execute()
    assert made.data[0] | {"org_id": ""} == {
        "id": 10, "org_id": "", "author_id": None, "title": "One", "year": 2001,
        "price": None, "lent": None, "sold": None, "about": "nothing",
    }  # fmt: skip
    assert books.insert({"id": 11, "title": "Two"}, returning=ReturnMethod.minimal).execute().data == []
    many = books.insert(
        [{"id": 12, "title": "A"}, {"id": 13, "title": "B", "about": "b"}],
        default_to_null=False,
        count=CountMethod.exact,
    )
    written = many.execute()
    assert ([row["about"] for row in written.data], written.count) == (["nothing", "b"], 2)
    assert books.insert({"id": 14, "title": "Three"}).single().execute().data["title"] == "Three"
    same = books.insert({"id": 14, "title": "Trois"}, upsert=True).execute()
    assert (same.data[0]["id"], same.data[0]["title"]) == (14, "Trois")
    merged = books.upsert({"id": 15, "title": "One", "year": 1}, on_conflict="title", ignore_duplicates=True).execute()
    assert merged.data == []
    merged = books.upsert([{"id": 10, "title": "One", "year": 2}, {"id": 16, "title": "Six", "year": 6}]).execute()
    assert sorted((row["id"], row["year"]) for row in merged.data) == [(10, 2), (16, 6)]
    changed = books.update({"year": 3}, count=CountMethod.exact).in_("id", [10, 16]).execute()
    assert (sorted(ids(changed)), changed.count) == ([10, 16], 2)
    assert books.update({"year": 4}, returning=ReturnMethod.minimal).eq("id", 10).execute().data == []
    assert books.update({"year": 5}).eq("id", 10).select("id", "year").execute().data == [{"id": 10, "year": 5}]
    with pytest.raises(APIError) as refused:
        books.delete().gte("id", 10).max_affected(2).execute()
    assert refused.value.code == "PGRST124"
    assert books.delete(returning=ReturnMethod.minimal).eq("id", 11).execute().data == []
    assert sorted(ids(books.delete().gte("id", 10).execute())) == [10, 12, 13, 14, 16]
    with SyncPostgrestClient(base, headers={"Authorization": "Bearer bob"}) as bob:
        assert bob.from_("books").update({"year": 0}).eq("id", 1).execute().data == []
        assert ids(bob.from_("books").select("id").execute()) == [9]


def test_functions_are_called(ann: SyncPostgrestClient) -> None:
    assert ann.rpc("add_them", {"a": 1, "b": 2}).execute().data == 3  # type: ignore[dict-item]
    assert ann.rpc("add_them", {"a": "1", "b": "2"}, get=True).execute().data == 3
    assert ann.rpc("touch", {}).execute().data == []
    since = {"since": "1971"}
    rows = ann.rpc("books_since", since, count=CountMethod.exact).select("id").order("id").limit(2).execute()
    assert (rows.data, rows.count) == ([{"id": 1}, {"id": 2}], 3)
    assert ann.rpc("books_since", since).select("title").eq("id", 4).single().execute().data == {
        "title": 'Fiasco, or "not"'
    }
    assert ann.rpc("books_since", since).select("title").eq("id", 99).maybe_single().execute() is None
    assert ann.rpc("books_since", since).select("id").eq("id", 4).csv().execute().data == "id\n4"
    assert ann.rpc("books_since", since, head=True, count=CountMethod.exact).execute().count == 3


def test_schemas_and_errors_are_what_the_client_reads(ann: SyncPostgrestClient, base: str) -> None:
    assert ann.schema("annex").from_("notes").select("body").execute().data == [{"body": "other schema"}]
    refusals: list[tuple[Callable[[], Any], str | None]] = [
        (lambda: ann.from_("books").select("*").single().execute(), "PGRST116"),
        (lambda: ann.from_("books").select("nope").execute(), "42703"),
        (lambda: ann.from_("nowhere").select("*").execute(), "PGRST205"),
        (lambda: ann.from_("books").insert({"id": 1, "title": "again"}).execute(), "23505"),
        (lambda: ann.rpc("nowhere", {}).execute(), "PGRST202"),
        (lambda: ann.schema("nowhere").from_("books").select("*").execute(), "PGRST106"),
        (lambda: SyncPostgrestClient(base).from_("books").select("*").execute(), "PGRST302"),
    ]
    found = []
    for ask, _ in refusals:
        with pytest.raises(APIError) as refused:
            ask()
        assert refused.value.message
        found.append(refused.value.code)
    assert found == [code for _, code in refusals]
