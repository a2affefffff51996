"""Aggregates in `select`: grouped by whatever else is selected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def project(shop_project: Path) -> Path:
    return shop_project


@pytest.fixture
def kernel(boot: Any) -> Any:
    return boot(aggregates_enabled=True)


AGGREGATES: dict[str, Any] = {
    "tracks?select=count()": [{"count": 6}],
    "tracks?select=n:count()::text": [{"n": "6"}],
    "tracks?select=price.sum(),price.avg(),price.min(),price.max(),price.count()": [
        {"sum": 7.5, "avg": 1.5, "min": 0.5, "max": 2.5, "count": 5}
    ],
    "tracks?select=total:price.sum()::int,seconds::numeric.avg()::int&seconds=gt.100": [{"total": 7, "avg": 215}],
    "tracks?select=count()&id=eq.0": [{"count": 0}],
    "artists?select=country,count()&order=country": [
        {"country": "GB", "count": 2},
        {"country": "SE", "count": 1},
        {"country": None, "count": 1},
    ],
    "artists?select=count(),land:country&order=country.desc.nullslast&limit=2": [
        {"count": 1, "land": "SE"},
        {"count": 2, "land": "GB"},
    ],
    "artists?select=country,count()&country=not.is.null&order=country&limit=1&offset=1": [
        {"country": "SE", "count": 1}
    ],
    "albums?select=meta->>rank::int.sum()": [{"sum": 6}],
    "albums?select=s:meta->>rank::int.sum()::text": [{"s": "6"}],
    "albums?select=meta,count()&order=meta&meta=not.is.null&limit=1": [{"meta": {"rank": 1}, "count": 1}],
    # json has no equality of its own
    "details?select=raw,count()&raw=not.is.null": [{"raw": {"a": 2, "b": 1}, "count": 1}],
    "details?select=raw->b,count()&raw=not.is.null": [{"b": 1, "count": 1}],
    # embeds are grouped by
    "tracks?select=seconds.sum(),albums(title)&album_id=in.(10,12)&order=album_id": 400,
    "tracks?select=album_id,seconds.sum(),albums(title)&album_id=in.(10,12)&order=album_id": [
        {"album_id": 10, "sum": 405, "albums": {"title": "Arrival"}},
        {"album_id": 12, "sum": 125, "albums": {"title": "Help!"}},
    ],
    "artists?select=count(),albums(year)&name=eq.Abba": [{"count": 1, "albums": [{"year": 1976}, {"year": 1979}]}],
    # within an embed
    "albums?select=title,tracks(seconds.sum(),n:count())&order=id&limit=2": [
        {"title": "Arrival", "tracks": [{"sum": 405, "n": 2}]},
        {"title": "Voulez-Vous", "tracks": [{"sum": 326, "n": 1}]},
    ],
    "artists?select=name,albums(year,count())&albums.order=year.desc&id=eq.1": [
        {"name": "Abba", "albums": [{"year": 1979, "count": 1}, {"year": 1976, "count": 1}]}
    ],
    "tracks?select=title,albums(year.max())&id=eq.100": [{"title": "Dancing Queen", "albums": {"max": 1976}}],
    # spread: they belong to the parent
    "sales?select=on_day,...tracks(secs:seconds.sum(),count())&order=on_day": [
        {"on_day": "2024-01-01", "secs": 460, "count": 2},
        {"on_day": "2024-01-02", "secs": 543, "count": 2},
        {"on_day": None, "secs": None, "count": 0},
    ],
    "sales?select=amount.sum(),...tracks(title)&order=tracks(title)": [
        {"sum": 7.5, "title": "Chiquitita"},
        {"sum": 15.0, "title": "Dancing Queen"},
        {"sum": 20.0, "title": "High"},
        {"sum": 1.0, "title": None},
    ],
    "sales?select=...tracks(...albums(album:title,...artists(name)),seconds.max()),amount.sum()"
    "&amount=gt.5&order=amount": 400,
    "sales?select=amount.sum(),...tracks(...albums(album:title,...artists(name)),seconds.max())"
    "&amount=gt.5&order=tracks(album)": [
        {"sum": 10.0, "album": "Arrival", "name": "Abba", "max": 230},
        {"sum": 7.5, "album": "Voulez-Vous", "name": "Abba", "max": 326},
        {"sum": 20.0, "album": "Wish", "name": "Cure", "max": 217},
    ],
    "sales?select=...tracks(amount:seconds.sum()::text)": [{"amount": "1003"}],
    "sales?select=count(),seller:people!seller_id(name),...tracks(...albums(artists(name)))&order=seller_id": 400,
    "people?select=boss_id,count(),...boss_id(boss:name)&boss_id=not.is.null&order=boss_id(boss)": [
        {"boss_id": 1, "count": 2, "boss": "Kim"},
        {"boss_id": 2, "count": 1, "boss": "Lee"},
    ],
    "artists?select=country,count(),...albums(years:year)&country=eq.GB&albums.order=year": [
        {"country": "GB", "count": 1, "years": [1965]},
        {"country": "GB", "count": 1, "years": [1992]},
    ],
    # the bare count of old
    "tracks?select=count": [{"count": 6}],
    "artists?select=name,albums(count)&order=id&limit=1": [{"name": "Abba", "albums": [{"count": 2}]}],
    "artists?select=country,n:count&country=eq.GB": [{"country": "GB", "n": 2}],
}


def test_aggregates_group_by_what_else_is_selected(shop: Any, theirs: Any) -> None:
    found: dict[str, Any] = {}
    for query in AGGREGATES:
        answer = shop.call("GET", query)
        assert not theirs(answer.text), (query, answer.text)
        found[query] = answer.json() if answer.status_code == 200 else answer.status_code
    assert found == AGGREGATES


def test_a_star_is_grouped_by_column(shop: Any) -> None:
    assert shop.call("GET", "artists?select=*,count()&id=eq.1").json() == [
        {"id": 1, "org_id": shop.org_id, "name": "Abba", "country": "SE", "count": 1}
    ]


def test_an_order_that_is_not_grouped_by_is_refused_by_postgres(shop: Any) -> None:
    answer = shop.call("GET", "tracks?select=seconds.sum()&order=title")
    assert (answer.status_code, answer.json()["code"]) == (400, "42803")
    assert answer.json()["message"] == (
        'column "r.title" must appear in the GROUP BY clause or be used in an aggregate function'
    )


def test_aggregates_in_a_to_many_spread_are_refused(shop: Any) -> None:
    for query in ("artists?select=name,...albums(count())", "artists?select=name,...albums(...tracks(seconds.sum()))"):
        answer = shop.call("GET", query)
        body = answer.json()
        assert (answer.status_code, body["error"]["code"], body["code"]) == (400, "invalid_query", "PGRST127"), query
        assert (body["message"], body["details"]) == (
            "Feature not implemented",
            "Aggregates are not implemented for one-to-many or many-to-many spreads.",
        )


def test_a_total_counts_rows_and_not_groups(shop: Any) -> None:
    answer = shop.call("GET", "artists?select=country,count()", Prefer="count=exact")
    assert answer.headers["Content-Range"] == "0-2/4"


def test_aggregates_are_off_unless_they_are_enabled(two_orgs: Any, stock: Any, wire: Any) -> None:
    ann, bob = two_orgs
    ann.client = bob.client = wire()
    stock(ann, bob)
    for query in (
        "tracks?select=count()",
        "tracks?select=price.sum()",
        "albums?select=title,tracks(price.sum())",
        "tracks?select=...albums(year.max())",
        "tracks?select=title,...albums(count)",
        "artists?select=country,count",
    ):
        answer = ann.call("GET", query)
        body = answer.json()
        assert (answer.status_code, body["error"]["code"], body["code"], body["message"], body["hint"]) == (
            400,
            "aggregates_disabled",
            "PGRST123",
            "Use of aggregate functions is not allowed",
            "They are allowed by [data] aggregates_enabled = true.",
        ), query
    # The bare count of old, alone, is allowed all the same.
    assert ann.call("GET", "tracks?select=count").json() == [{"count": 6}]
    assert ann.call("GET", "artists?select=name,albums(n:count)&id=eq.1").json() == [
        {"name": "Abba", "albums": [{"n": 2}]}
    ]
