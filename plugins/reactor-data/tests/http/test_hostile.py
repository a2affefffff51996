"""Hostile input in every position of the grammar: answers without 5xx, and nothing but known statements in the server's log.

`test_any_text_in_any_position` generates some ten thousand names and values. Postgres writes every statement that it is given
to its log; each is read back and held against what data is allowed to send: one statement, begun as one of a few, in which
all that is not quoted is a word of the compiler's own, and which names no relation but those that were asked for.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent

import pytest

SEED = 20_260_729
REQUESTS = 2_400
LEAST_ATOMS = 10_000


@pytest.fixture
def project(shop_project: Path) -> Path:
    # The canary may be written by anyone who gets to name it, which only SQL of their own can: its schema is not exposed.
    extra = """
    create schema vault;
    create table vault.canary (id int primary key) with (rls = false);
    insert into vault.canary select generate_series(1, 3);
    grant usage on schema vault to reactor_authenticated;
    grant all on vault.canary to reactor_authenticated;
    """
    (shop_project / "migrations" / "002_canary.sql").write_text(extra, encoding="utf-8")
    return shop_project


# -- what is sent -------------------------------------------------------------------------------------------------

FRAGMENTS = [
    '"; drop table vault.canary; --',
    "'; drop table vault.canary; --",
    "') ; delete from vault.canary; --",
    "') or 1=1 --",
    "\\'; truncate vault.canary; --",
    "$$; drop table vault.canary; $$",
    "$1",
    "$9999",
    "/* canary */",
    "*/",
    "--",
    "E'\\\\'",
    "U&'\\0041'",
    "canary",
    "vault.canary",
    'vault"."canary',
    "(select id from vault.canary)",
    "canary(*)",
    "...canary(*)",
    "!inner",
    "::regclass",
    "::text; select 1",
    "pg_sleep(1)",
    "current_user",
    "null",
    "%00",
    "{}",
    "{{1,2},{3}}",
    '{a,"b',
    "[1,2",
    "(1,)",
    "()",
    "->>",
    "->",
    "..",
    "a.b.c",
    "not.",
    "in.(",
    "and(",
    "\\",
    '\\"',
    '""',
    "''",
    "\n",
    "\t\r",
    "\x7f\x01",
    "\u202e\u0000",
    "ﬀ\u0301\U0001f600",
    "ПРИВЕТ",
    "1e309",
    "-9223372036854775809",
    "NaN",
    "infinity",
    "0x41",
    "+1",
    "a&b=c#d",
    "%",
    "*",
    "_",
    " ",
    "",
    "x" * 300,
]
ALPHABET = "abcID01_ \"'\\;()[]{},.:*!<>=&|-+/$%#@~^?`\t\n\u0000\u00e9\u2028\U0001f600"


class Attacker:
    """Makes requests out of parts of which some are hostile. Counts those."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.atoms = 0

    def text(self) -> str:
        """Return a hostile text."""
        self.atoms += 1
        choose = self.random
        kind = choose.random()
        if kind < 0.5:
            return choose.choice(FRAGMENTS)
        if kind < 0.7:
            return choose.choice(FRAGMENTS) + choose.choice(FRAGMENTS)
        return "".join(choose.choice(ALPHABET) for _ in range(choose.randint(0, 24)))

    def name(self) -> str:
        """Return a hostile text where a name is read: quoted, so that it is taken whole, or as it is."""
        found = self.text()
        if self.random.random() < 0.96:
            # Without NUL, which no request may hold, more of it arrives.
            found = found.replace("\0", "").replace("%00", "")
            return '"' + found.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return found

    def value(self) -> str:
        """Return a hostile text where a value is read."""
        return self.name() if self.random.random() < 0.6 else self.text()

    def maybe(self, good: str, bad: Callable[[], str] | None = None) -> str:
        """Return what is right, or now and then what is not."""
        return (bad or self.name)() if self.random.random() < 0.04 else good

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def odds(self, share: float) -> bool:
        return self.random.random() < share

    # Positions. Aliases, keys and values are hostile as they stand; a name that must exist is now and then.

    def text_field(self) -> str:
        return self.maybe("title") if self.odds(0.4) else f"meta->>{self.name()}"

    def field(self) -> str:
        return self.maybe(self.one("title", "year", "id")) if self.odds(0.4) else f"meta->{self.name()}->>{self.name()}"

    def item(self) -> str:
        cast = f"::{self.maybe(self.one('text', 'varchar'))}" if self.odds(0.2) else ""
        return f"{self.name()}:{self.field()}{cast}"

    def embed(self) -> str:
        target = self.maybe(self.one("artists", "tracks", "albums_artist", "artist_id", "artists!albums_artist"))
        join = f"!{self.maybe('inner')}" if self.odds(0.2) else ""
        inner = f"{self.name()}:{self.maybe('org_id')}" if self.odds(0.8) else ""
        return f"{self.name() + ':' if self.odds(0.8) else '...'}{target}{join}({inner})"

    def condition_on(self, field: str, nested: bool) -> str:
        """Return `operator.value`; within a tree values are quoted more often, since they end there."""
        value = self.name if nested and self.odds(0.9) else self.value
        choice = self.random.randrange(8)
        if choice == 0:
            found = f"in.({self.name()},{self.name()},{self.name()})"
        elif choice == 1:
            found = f"{self.maybe('is', self.text)}.null"
        elif choice == 2:
            found = f"{self.one('fts', 'plfts', 'phfts', 'wfts')}{'(' + self.name() + ')' if self.odds(0.3) else ''}.{value()}"
        elif choice == 3:
            found = f"{self.one('match', 'imatch')}.{value()}"
        elif choice == 4:
            found = f"{self.one('like', 'ilike')}({self.maybe('any', self.text)}).{{{self.name()},{self.name()}}}"
        else:
            found = (
                f"{self.maybe(self.one('eq', 'neq', 'gt', 'lte', 'like', 'ilike', 'isdistinct'), self.text)}.{value()}"
            )
        return f"{field}{self.one('', '', 'not.')}{found}"

    def condition(self, depth: int = 2) -> str:
        if depth and self.odds(0.3):
            children = ",".join(self.condition(depth - 1) for _ in range(self.random.randint(1, 3)))
            return f"{self.one('', 'not.')}{self.one('and', 'or')}({children})"
        return self.condition_on(f"{self.text_field()}.", nested=True)

    def parameters(self) -> list[tuple[str, str]]:
        embeds = [self.embed()] if self.odds(0.5) else []
        found = [("select", ",".join([self.item(), self.item(), *embeds]))]
        if self.odds(0.1):
            found = [
                (
                    "select",
                    f"{self.item()},{self.name()}:{self.text_field()}.{self.maybe('max')}(),{self.name()}:count()",
                )
            ]
        if self.odds(0.6):
            found.append((self.text_field(), self.condition_on("", nested=False)))
        if self.odds(0.3):
            found.append((self.one("or", "and", "not.or"), f"({self.condition()},{self.condition()})"))
        if self.odds(0.3) and "count()" not in found[0][1]:
            found.append(("order", f"{self.field()}.{self.maybe(self.one('asc', 'desc.nullslast'), self.text)}"))
        if self.odds(0.04):
            found.append((f"{self.name()}.{self.one('order', 'limit', 'title')}", self.value()))
        if self.odds(0.2):
            found.append((self.one("limit", "offset"), self.maybe("3", self.text)))
        if self.odds(0.04):
            found.append((self.text(), self.value()))
        return found

    def url(self, relation: str, parameters: list[tuple[str, str]]) -> str:
        path = relation if self.odds(0.97) else percent(self.text(), safe="")
        pairs = (f"{percent(key, safe='')}={percent(value, safe='')}" for key, value in parameters)
        return f"{path}?{'&'.join(pairs)}"

    def headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        prefer = self.one(
            "count=exact", "return=representation", "return=representation", "handling=strict", "count=planned"
        )
        accept = self.one("application/json", "text/csv", "application/vnd.pgrst.array+json;nulls=stripped")
        for header, good in (("Prefer", prefer), ("Accept", accept), ("Range", "items=0-5")):
            if self.odds(0.3):
                text = good if self.odds(0.9) else f"{good.split('=')[0]}={self.text()}"
                # Control characters never reach an application, and the test's client sends ASCII only.
                found[header] = "".join(one for one in text if " " <= one < "\x7f").strip()
        return found

    def body(self) -> bytes:
        row: dict[str, object] = {"title": self.text()}
        row["meta"] = {self.text(): [self.text()]}
        if self.odds(0.1):
            row[self.text()] = self.text()
        if self.odds(0.1):
            row["year"] = self.text()
        rows = [{"id": self.random.randint(10_000, 40_000), **row}] if self.odds(0.95) else self.text()
        return json.dumps(rows).encode() if self.odds(0.95) else self.text().encode("utf-8", "replace")

    def request(self) -> tuple[str, str, bytes | None]:
        kind = self.random.random()
        if kind < 0.6:
            return self.one("GET", "GET", "HEAD"), self.url("albums", self.parameters()), None
        if kind < 0.75:
            extra = [("columns", f"id,title,{self.maybe('meta')}")] if self.odds(0.3) else []
            extra += [("on_conflict", self.maybe("id"))] if self.odds(0.3) else []
            return "POST", self.url("albums", [*self.parameters()[:1], *extra]), self.body()
        if kind < 0.88:
            body = self.body() if self.odds(0.2) else json.dumps({"title": self.text(), "meta": self.text()}).encode()
            return "PATCH", self.url("albums", [*self.parameters(), ("id", "eq.14")]), body
        if kind < 0.95:
            return (
                "DELETE",
                self.url("albums", [*self.parameters(), ("id", f"eq.{self.maybe('99', self.value)}")]),
                None,
            )
        rpc = f"rpc/{percent(self.maybe('hits'), safe='')}"
        parameters = [("shortest", self.maybe("1", self.value)), *self.parameters()]
        return "GET", self.url(rpc, parameters), None


# -- what the server was given ------------------------------------------------------------------------------------


class ServerLog:
    """Everything that Postgres was asked to run since this was made; `admin` is a superuser's connection."""

    def __init__(self, admin: Any, file: str) -> None:
        self._admin = admin
        self._file = file
        self._start = admin.execute("select size from pg_stat_file(%s)", [file]).fetchone()[0]

    def statements(self) -> Iterator[str]:
        (written,) = self._admin.execute(
            "select pg_read_binary_file(%s, %s, 200000000)", [self._file, self._start]
        ).fetchone()
        # A line of the log that goes on begins with a tab.
        for entry in re.split(r"\n(?!\t)", written.decode("utf-8", "replace")):
            found = re.search(r"(?:LOG:  (?:statement|execute [^:]*): |STATEMENT:  )(.*)", entry, re.DOTALL)
            if found:
                yield found.group(1).replace("\n\t", "\n")


@pytest.fixture
def server_log(reactor_postgres: Any) -> Iterator[Callable[[], ServerLog]]:
    """Let the server log every statement of the connections made from now on."""
    import psycopg

    from reactor_kernel.embedded.settings import LOGIN, SUPERUSER

    url = reactor_postgres.url.replace(f"//{LOGIN}@", f"//{SUPERUSER}@", 1)
    with psycopg.connect(url, autocommit=True) as admin:
        file = admin.execute("select pg_current_logfile()").fetchone()[0]  # type: ignore[index]
        if file is None:
            pytest.skip("this server keeps no log of its own")
        login = admin.execute(
            "select quote_ident(%s)", [psycopg.conninfo.conninfo_to_dict(reactor_postgres.url)["user"]]
        )
        role = login.fetchone()[0]  # type: ignore[index]
        admin.execute(f"alter role {role} set log_statement = 'all'")
        admin.execute(f"alter role {role} set log_parameter_max_length = 0")
        # What Postgres refuses while it parses is never executed, but named beside the error.
        admin.execute(f"alter role {role} set log_min_error_statement = 'error'")
        try:
            yield lambda: ServerLog(admin, file)
        finally:
            for setting in ("log_statement", "log_parameter_max_length", "log_min_error_statement"):
                admin.execute(f"alter role {role} reset {setting}")


# -- what it may be given -----------------------------------------------------------------------------------------

# How the statements begin that data sends for a request, and what else runs in its transaction or keeps the schema known.
OPENINGS = (
    "select count(*), ",
    "with changed as (",
    'with "called" as (',
    "explain (format json) select from ",
    'explain (format json) with "called" as (',
)
PLATFORM = re.compile(
    r"\s*(?:BEGIN|COMMIT|ROLLBACK|SET|RESET|DISCARD|DEALLOCATE|LISTEN|SELECT set_config\()"
    r"|\s*insert into _reactor_data\.audit_events\s"
    r"|\s*select (?:set_config\('search_path'|json_build_object\(|[rdn]\.|\(select count\(\*\) \|\| ':')",
    re.IGNORECASE,
)
# All that stands unquoted in them: words of the compiler, and types.
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    select from where and or not is null true false unknown as on with join left lateral exists in any all like ilike distinct
    order by asc desc nulls first last limit offset group returning insert into update delete set conflict do nothing excluded
    values cast explain format json case when then end
    count coalesce json_agg jsonb_agg row_to_json to_json to_jsonb json_build_array json_build_object jsonb_build_object
    json_to_recordset jsonb_to_record json_array_elements jsonb_array_elements json_strip_nulls nullif concat current_setting
    set_config least unnest row substring length string_agg sum avg min max
    to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery regconfig
    changed pg_catalog text varchar bpchar int int4 int8 integer bigint numeric jsonb uuid date boolean
    """,
    )
)
# What stands before a dot: aliases of the compiler's own, or the schema of a relation.
ALIASES = re.compile(r"[abefjr_]|[ejotx]\d+")
RELATIONS = frozenset(("albums", "artists", "tracks", "hits"))


def complaint(statement: str) -> str | None:
    """Return what is wrong with a statement of the log; None when it is one that data may send."""
    from reactor_data.sql.lexer import Kind, tokens

    if PLATFORM.match(statement):
        return None if "canary" not in statement else "the platform's own statement has text of a request"
    if not statement.startswith(OPENINGS):
        return "it begins like none"
    found = list(tokens(statement))
    ends = [0, *(token.end for token in found)]
    if any(statement[end : token.start].strip() for end, token in zip(ends, found, strict=False)):
        return "it has a comment"
    if statement[ends[-1] :].strip():
        return "it has a comment"
    if any(token.kind is Kind.SYMBOL and token.text == ";" for token in found):
        return "it is more than one"
    strange = {token.text for token in found if token.kind is Kind.WORD} - WORDS
    if strange:
        return f"it has the words {sorted(strange)}"
    qualified = (
        (left.text, right.text)
        for left, dot, right in zip(found, found[1:], found[2:], strict=False)
        if left.kind is Kind.QUOTED and dot.text == "." and not ALIASES.fullmatch(left.text)
    )
    unasked = [f"{schema}.{name}" for schema, name in qualified if schema != "public" or name not in RELATIONS]
    return f"it names {unasked[0]}" if unasked else None


def test_the_allow_list_refuses_what_it_must() -> None:
    allowed = 'select count(*), null, null from (select "r"."a" as "x;--" from "public"."albums" as "r") as "_"'
    assert complaint(allowed) is None
    assert complaint("drop table vault.canary") == "it begins like none"
    assert complaint(allowed + "; drop table vault.canary") == "it is more than one"
    assert complaint(allowed + " -- '") == "it has a comment"
    assert complaint(allowed.replace("albums", "canary")) == "it names public.canary"
    assert complaint(allowed.replace('"public"."albums"', '"vault"."canary"')) == "it names vault.canary"
    assert complaint(allowed + " union select pg_sleep(1)") == "it has the words ['pg_sleep', 'union']"


def test_any_text_in_any_position(server_log: Any, two_orgs: Any, stock: Any, rows: Any, theirs: Any) -> None:
    shop, attacker = stock(*two_orgs), Attacker(SEED)
    structure = """
    select (select jsonb_agg(t order by id) from vault.canary t)::text,
      (select string_agg(relname || relkind::text, ',' order by relname) from pg_class where relnamespace = 'public'::regnamespace),
      (select string_agg(rolname, ',' order by rolname) from pg_roles),
      (select md5(string_agg(t::text, ',' order by id)) from albums t where id > 50000)
    """
    before = rows(structure)
    log = server_log()
    outcomes: dict[int, int] = {}
    for _ in range(REQUESTS):
        method, url, body = attacker.request()
        answer = shop.call(method, url, body=body, **attacker.headers())
        outcomes[answer.status_code] = outcomes.get(answer.status_code, 0) + 1
        assert 200 <= answer.status_code < 300 or 400 <= answer.status_code < 500, (
            method,
            url,
            body,
            answer.text,
        )
        if answer.status_code < 300:
            assert not theirs(answer.text), (url, answer.text)
    assert attacker.atoms >= LEAST_ATOMS
    # Enough of it went all the way.
    assert sum(count for status, count in outcomes.items() if status < 300) > REQUESTS / 4, outcomes
    statements = list(log.statements())
    assert rows(structure) == before
    assert sum(statement.startswith(OPENINGS) for statement in statements) > REQUESTS / 4
    wrong = {reason: statement for statement in statements if (reason := complaint(statement)) is not None}
    assert wrong == {}
