"""Binding sections to models: types, restrictions, defaults, and every fault with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from reactor_kernel.config.binder import Bound
from reactor_kernel.contributions import ConfigSection
from reactor_kernel.errors import BootError

Messages = Callable[[Bound], list[str]]


@dataclass(frozen=True)
class Smtp:
    host: str
    sender: str = field(metadata={"key": "from"})
    port: int = field(default=587, metadata={"min": 1, "max": 65535})
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Provider:
    client_secret: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    index: str = field(metadata={"pattern": "[a-z]+"})
    backend: Literal["fs", "s3"] = "fs"
    weight: float = field(default=1.0, metadata={"min": 0})
    depth: int = 3
    fuzzy: bool = False
    folder: Path = Path("var/index")
    engines: list[str] = field(default_factory=list)
    boosts: Mapping[str, float] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)
    chain: tuple[Provider, ...] = ()
    extra: Any = None
    limit: int | str = 10
    mode: str = field(default="a", metadata={"choices": ("a", "b")})
    smtp: Smtp | None = None
    upper: str = field(default="", metadata={"parse": str.upper})

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.backend == "s3" and self.depth == 3:
            yield "depth", 'required when search.backend is "s3"'

    def advice(self) -> Iterable[tuple[str, str]]:
        if self.weight > 100:
            yield "weight", "is very high"


SEARCH = ConfigSection(Search, secrets=("smtp.password", "providers.*.client_secret", "chain.client_secret"))


def test_every_sort_of_value_is_bound_to_its_type(project: Any) -> None:
    bound = project.bind(
        {"search": SEARCH},
        """
[search]
index = "main"
backend = "s3"
weight = 2
depth = -4
fuzzy = true
folder = "/srv/index"
engines = ["a", "b"]
boosts = { title = 2.5, body = 1 }
chain = [{ client_secret = "x1" }, { client_secret = "x2", scopes = ["r"] }]
extra = { a = [1, "b", { c = true }] }
limit = "all"
mode = "b"
upper = "abc"
optional = true
[search.smtp]
host = "mail"
from = "me@example.com"
[search.providers.github]
client_secret = "s"
scopes = ["read"]
""",
    )
    assert (bound.faults, bound.warnings) == ([], [])
    assert bound.require()["search"] == Search(
        index="main",
        backend="s3",
        weight=2.0,
        depth=-4,
        fuzzy=True,
        folder=Path("/srv/index"),
        engines=["a", "b"],
        boosts={"title": 2.5, "body": 1.0},
        providers={"github": Provider("s", ("read",))},
        chain=(Provider("x1"), Provider("x2", ("r",))),
        extra={"a": [1, "b", {"c": True}]},
        limit="all",
        mode="b",
        smtp=Smtp("mail", "me@example.com"),
        upper="ABC",
    )


def test_every_sort_of_value_is_read_from_variables_by_its_declared_type(project: Any) -> None:
    environ = {
        "REACTOR_SEARCH__INDEX": "true",
        "REACTOR_SEARCH__BACKEND": "fs",
        "REACTOR_SEARCH__WEIGHT": "2",
        "REACTOR_SEARCH_DEPTH": "-4",
        "REACTOR_SEARCH__FUZZY": "true",
        "REACTOR_SEARCH__FOLDER": "sub",
        "REACTOR_SEARCH__ENGINES": '[a, "b, c", 007]',
        "REACTOR_SEARCH__BOOSTS": "{title=2.5, body=1}",
        "REACTOR_SEARCH__CHAIN": "[{client_secret=12345678901234567890}]",
        "REACTOR_SEARCH__EXTRA": '[1, 2.5, true, x, "3", {k=[v]}]',
        "REACTOR_SEARCH__LIMIT": "7",
        "REACTOR_SEARCH__SMTP__HOST": "mail",
        "REACTOR_SEARCH__SMTP__FROM": "me",
        "REACTOR_SEARCH__SMTP__PASSWORD": "00123",
        "REACTOR_SEARCH_SMTP_PORT": "25",
    }
    bound = project.bind({"search": SEARCH}, environ=environ)
    assert (bound.faults, bound.warnings) == ([], [])
    assert bound.values["search"] == Search(
        index="true",
        weight=2.0,
        depth=-4,
        fuzzy=True,
        folder=project.root / "sub",
        engines=["a", "b, c", "007"],
        boosts={"title": 2.5, "body": 1.0},
        chain=(Provider("12345678901234567890"),),
        extra=[1, 2.5, True, "x", "3", {"k": ["v"]}],
        limit=7,
        smtp=Smtp("mail", "me", 25, "00123"),
    )


def test_flags_win_over_environment_over_file_over_defaults(project: Any) -> None:
    text = "[search]\nindex = 'file'\ndepth = 1\nmode = 'b'\n"
    environ = {"REACTOR_SEARCH__INDEX": "nested", "REACTOR_SEARCH_INDEX": "single", "REACTOR_SEARCH_DEPTH": "2"}
    bound = project.bind({"search": SEARCH}, text, environ=environ, flags={"search.depth": 3})
    search = bound.values["search"]
    assert (search.index, search.depth, search.mode, search.backend) == ("nested", 3, "b", "fs")


def test_origins_of_single_underscore_variables_are_known_after_binding(project: Any) -> None:
    from reactor_kernel.config.binder import bind
    from reactor_kernel.config.secrets import Resolver

    raw = project.load("[search]\n", environ={"REACTOR_SEARCH_INDEX": "i", "REACTOR_SEARCH_SMTP_HOST": "h"})
    bind(raw, {"search": SEARCH}, Resolver({}, raw.root, None))
    assert raw.origin("search.index").where == "environment REACTOR_SEARCH_INDEX"
    assert raw.origin("search.smtp.host").where == "environment REACTOR_SEARCH_SMTP_HOST"


def test_every_problem_of_every_section_is_reported_at_once(project: Any, messages: Messages) -> None:
    bound = project.bind(
        {"search": SEARCH, "other": Provider, "third": Search, "fourth": Search},
        """
other = 5
[search]
index = "Main"
backend = "gcs"
weight = -0.5
depth = 3.5
fuzzy = "yes"
engines = ["a", 7]
boosts = { title = "high" }
chain = [{ client_secret = "x" }, {}]
limit = true
mode = "c"
smtp = { host = 1, port = 70000 }
folder = ""
optional = "no"
[third]
index = "x"
backend = "s3"
[fourth]
boosts = [1]
engines = { a = 1 }
""",
        environ={"REACTOR_FOURTH__DEPTH": "ten", "REACTOR_FOURTH__CHAIN": "x", "REACTOR_FOURTH__ENGINES": "[a"},
    )
    assert messages(bound) == [
        'config error: search.optional: must be true or false, not "no" (Reactor.toml:16)',
        'config error: search.index: must match [a-z]+, not "Main" (Reactor.toml:4)',
        'config error: search.backend: must be "fs" or "s3", not "gcs" (Reactor.toml:5)',
        "config error: search.weight: must be at least 0, not -0.5 (Reactor.toml:6)",
        "config error: search.depth: must be a whole number, not 3.5 (Reactor.toml:7)",
        'config error: search.fuzzy: must be true or false, not "yes" (Reactor.toml:8)',
        "config error: search.folder: must not be empty (Reactor.toml:15)",
        "config error: search.engines[1]: must be a string, not 7 (Reactor.toml:9)",
        'config error: search.boosts.title: must be a number, not "high" (Reactor.toml:10)',
        "config error: search.chain[1].client_secret: required (Reactor.toml:11)",
        "config error: search.limit: must be a whole number or a string, not true (Reactor.toml:12)",
        'config error: search.mode: must be "a" or "b", not "c" (Reactor.toml:13)',
        "config error: search.smtp.host: must be a string, not 1 (Reactor.toml:14)",
        "config error: search.smtp.from: required; set it under [search.smtp] or as REACTOR_SEARCH__SMTP__FROM "
        "(Reactor.toml:14)",
        "config error: search.smtp.port: must be at most 65535, not 70000 (Reactor.toml:14)",
        "config error: other: must be a table: write [other] (Reactor.toml:2)",
        'config error: third.depth: required when search.backend is "s3" (Reactor.toml:17)',
        "config error: fourth.index: required; set it under [fourth] or as REACTOR_FOURTH__INDEX (Reactor.toml:20)",
        'config error: fourth.depth: must be a whole number, not "ten" (environment REACTOR_FOURTH__DEPTH)',
        'config error: fourth.engines: must be a list of strings written as [a, b], not "[a" '
        "(environment REACTOR_FOURTH__ENGINES)",
        "config error: fourth.boosts: must be a table, not a list (Reactor.toml:21)",
        'config error: fourth.chain: must be a list written as [a, b], not "x" (environment REACTOR_FOURTH__CHAIN)',
    ]
    assert bound.values == {}
    with pytest.raises(BootError) as caught:
        bound.require()
    assert (len(caught.value.faults), caught.value.exit_code) == (22, 2)


def test_a_required_key_of_an_absent_section_says_how_to_set_it(project: Any, messages: Messages) -> None:
    assert messages(project.bind({"search": SEARCH})) == [
        "config error: search.index: required; set it under [search] or as REACTOR_SEARCH__INDEX"
    ]


def test_unknown_keys_are_warned_about_with_the_nearest_known_one(project: Any) -> None:
    bound = project.bind(
        {"search": SEARCH, "project": Provider},
        """
stray = 1
[search]
index = "x"
dept = 4
zzzzzzzz = 1
smtp = { host = "h", from = "f", hots = "x" }
[project]
client_secret = "x"
"odd key" = 1
""",
        environ={
            "REACTOR_SEARCH__FUZY": "1",
            "REACTOR_SEARCH_BACKND": "s3",
            "REACTOR_SEARCH_UNRELATED_THING": "x",
            "REACTOR_TOKEN": "x",
        },
    )
    assert bound.faults == []
    assert bound.warnings == [
        "unknown key search.dept (Reactor.toml:5); did you mean search.depth?",
        "unknown key search.zzzzzzzz (Reactor.toml:6)",
        "unknown key search.fuzy (environment REACTOR_SEARCH__FUZY); did you mean search.fuzzy?",
        "unknown key search.smtp.hots (Reactor.toml:7); did you mean search.smtp.host?",
        'unknown key project."odd key" (Reactor.toml:10)',
        "unknown key stray (Reactor.toml:2); keys stand in a section, such as [project]",
        "unknown environment variable REACTOR_SEARCH_BACKND; did you mean REACTOR_SEARCH__BACKEND?",
    ]


def test_advice_is_a_warning_with_its_place(project: Any) -> None:
    bound = project.bind({"search": SEARCH}, "[search]\nindex = 'x'\nweight = 101.5\n")
    assert bound.warnings == ["search.weight: is very high (Reactor.toml:3)"]
    assert bound.values["search"].weight == 101.5


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_numbers_are_finite(project: Any, messages: Messages, number: str) -> None:
    bound = project.bind({"search": SEARCH}, f"[search]\nindex = 'x'\nweight = {number}\ndepth = 0x{'f' * 5000}\n")
    assert messages(bound) == [
        "config error: search.weight: must be a finite number (Reactor.toml:3)",
        "config error: search.depth: must fit into 64 bits (Reactor.toml:4)",
    ]


def test_secret_values_never_appear_in_a_message(project: Any, messages: Messages) -> None:
    @dataclass(frozen=True)
    class Careless:
        key: str
        pin: int = 0
        other: str = field(default="", metadata={"parse": lambda text: int(text)})

        def problems(self) -> Iterable[tuple[str, str]]:
            yield "key", f"must be longer than {self.key!r}"

    careless = ConfigSection(Careless, secrets=("key", "other", "pin"))
    providers = "[search]\nindex='x'\nproviders = { a = { client_secret = 98765 } }\nsmtp = 'hunter22'\n"
    text = "[one]\nkey = 'sesame'\n[two]\nkey = 77777\npin = 'open!'\nother = 'sesame'\n"
    bound = project.bind({"search": SEARCH, "one": careless, "two": careless}, providers + text)
    assert messages(bound) == [
        "config error: search.providers.a.client_secret: must be a string (Reactor.toml:3)",
        "config error: search.smtp: must be a table (Reactor.toml:4)",
        "config error: one.key: must be longer than '[hidden]' (Reactor.toml:6)",
        "config error: two.key: must be a string (Reactor.toml:8)",
        "config error: two.pin: must be a whole number (Reactor.toml:9)",
        "config error: two.other: invalid literal for int() with base 10: '[hidden]' (Reactor.toml:10)",
    ]


def test_a_models_own_check_that_raises_is_a_fault_of_its_section_only(project: Any, messages: Messages) -> None:
    @dataclass(frozen=True)
    class Broken:
        key: str = "v"

        def problems(self) -> Iterable[tuple[str, str]]:
            raise KeyError(self.key)

    @dataclass(frozen=True)
    class Strict:
        key: str = "v"

        def __post_init__(self) -> None:
            raise ValueError("key and other exclude each other")

    bound = project.bind({"broken": Broken, "strict": Strict, "search": SEARCH}, "[strict]\n[search]\nindex='x'\n")
    name = f"{test_a_models_own_check_that_raises_is_a_fault_of_its_section_only.__name__}.<locals>.Broken"
    assert messages(bound) == [
        f"config error: broken: the check {name}.problems raised KeyError",
        "config error: strict: key and other exclude each other (Reactor.toml:1)",
    ]
    assert set(bound.values) == {"search"}


def test_a_type_that_no_file_can_hold_is_named(project: Any, messages: Messages) -> None:
    @dataclass(frozen=True)
    class Odd:
        number: complex = 1j

    @dataclass(frozen=True)
    class Pair:
        both: tuple[int, str] = (1, "")

    where = "test_a_type_that_no_file_can_hold_is_named.<locals>"
    assert messages(project.bind({"odd": Odd, "pair": Pair})) == [
        f"config error: odd: {where}.Odd.number has a type that cannot be configured: <class 'complex'>",
        f"config error: pair: {where}.Pair.both must be tuple[X, ...]: a list in a file has no fixed length",
    ]


def test_a_partly_written_nested_table_keeps_the_rest_of_its_default(project: Any) -> None:
    @dataclass(frozen=True)
    class Outer:
        smtp: Smtp = Smtp("localhost", "root", 25)
        folder: Path = Path("var")

    bound = project.bind({"a": Outer, "b": Outer}, "[a.smtp]\nport = 26\n")
    assert bound.values["a"].smtp == Smtp("localhost", "root", 26)
    assert bound.values["b"] == Outer(folder=project.root / "var")


def test_two_bindings_share_no_state(tmp_path: Path) -> None:
    from reactor_kernel.config.binder import bind
    from reactor_kernel.config.loader import load
    from reactor_kernel.config.secrets import Resolver

    raws = []
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        (root / "Reactor.toml").write_text(f"[ai]\nindex = '{name}'\nextra = [1]\n")
        environ = {"REACTOR_LLM_DEPTH": "9"} if name == "one" else {}
        raws.append(load(None, environ=environ, flags={}, cwd=root))
    raws[0].rename_sections({"ai": "llm"})
    bounds = [bind(raw, {"llm": SEARCH, "ai": SEARCH}, Resolver({}, raw.root, None)) for raw in raws]
    one, two = bounds[0].values["llm"], bounds[1].values["ai"]
    assert (one.index, one.depth, two.index, two.depth) == ("one", 9, "two", 3)
    one.extra.append(2)
    one.engines.append("changed")
    again = bind(raws[0], {"llm": SEARCH}, Resolver({}, raws[0].root, None)).values["llm"]
    assert (again.extra, again.engines, two.extra, two.engines) == ([1], [], [1], [])
    assert raws[1].section_names == ("ai",)
