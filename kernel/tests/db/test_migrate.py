"""Branches of several plugins: order, transactions, races, and what is said when it cannot go on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reactor_kernel.contracts import ANONYMOUS, Statement
from reactor_kernel.contributions import MigrationOutcome, MigrationStep, SchemaBranch
from reactor_kernel.db.database import PostgresDatabase, RoleNames
from reactor_kernel.db.migrate import Migrator, PluginBranch
from reactor_kernel.errors import MigrationFailed

Make = Callable[..., SchemaBranch]


@pytest.fixture
def database(dsn: str) -> Iterator[PostgresDatabase]:
    """Empty: nothing is migrated yet."""
    made = PostgresDatabase(dsn, pool_max=3)
    yield made
    made.dispose()


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Write a package of revisions: `branch("shop", "CREATE TABLE …", …)`, numbered 0001 and on."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(label: str, *statements: str) -> SchemaBranch:
        package = tmp_path / f"revisions_of_{label}"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        for number, sql in enumerate(statements, 1):
            down = f'"{number - 1:04}"' if number > 1 else "None"
            (package / f"{number:04}_step.py").write_text(
                f'from alembic import op\nrevision: str = "{number:04}"\ndown_revision = {down}\n'
                + (f'branch_labels = ("{label}",)\n' if number == 1 else "")
                + f"def upgrade():\n    op.execute({sql!r})\n"
            )
        return SchemaBranch(label, package.name)

    return make


def schemas(database: PostgresDatabase) -> list[str]:
    query = "SELECT nspname FROM pg_namespace WHERE nspname LIKE '\\_reactor%' OR nspname = 'auth' ORDER BY 1"
    return [str(row[0], "utf-8") for row in database.run(None, [Statement(query)])[0].rows if row[0]]


def test_branches_are_applied_in_order_and_once(database: PostgresDatabase, branch: Make) -> None:
    shop = branch("shop", "CREATE TABLE _reactor_shop.a (x int)", "CREATE TABLE _reactor_shop.b (x int)")
    mail = branch("mail", "CREATE TABLE _reactor_mail.c AS SELECT * FROM _reactor_shop.b")
    branches = [PluginBranch("shop", "1.2", shop), PluginBranch("bare", "1", None), PluginBranch("mail", "1.0", mail)]
    migrator = Migrator(database, branches)
    applied = ["kernel:0001", "kernel:roles", "shop:0001", "shop:0002", "mail:0001"]
    assert [name for name in migrator.pending() if name != "kernel:roles"] == [
        n for n in applied if n != "kernel:roles"
    ]
    assert schemas(database) == []
    first = migrator.run()
    assert (first.applied, first.skipped) == (applied, [])
    assert schemas(database) == ["_reactor_kernel", "_reactor_mail", "_reactor_shop", "auth"]
    second = migrator.run()
    assert (second.applied, second.skipped) == ([], ["kernel:0001", "shop:0001", "shop:0002", "mail:0001"])
    assert migrator.pending() == []


def test_a_new_revision_continues_where_the_database_stands(database: PostgresDatabase, branch: Make) -> None:
    Migrator(database, [PluginBranch("shop", "1", branch("shop", "CREATE TABLE _reactor_shop.a (x int)"))]).run()
    more = branch("shop", "CREATE TABLE _reactor_shop.a (x int)", "ALTER TABLE _reactor_shop.a ADD y int")
    assert Migrator(database, [PluginBranch("shop", "2", more)]).run().applied == ["shop:0002"]


def test_a_failing_branch_leaves_the_earlier_ones_applied(database: PostgresDatabase, branch: Make) -> None:
    shop = branch("shop", "CREATE TABLE _reactor_shop.a (x int)")
    mail = branch("mail", "CREATE TABLE _reactor_mail.m (x int)", "SELECT 1/0", "CREATE TABLE _reactor_mail.n (x int)")
    migrator = Migrator(database, [PluginBranch("shop", "1", shop), PluginBranch("mail", "1", mail)])
    with pytest.raises(MigrationFailed) as caught:
        migrator.run()
    assert caught.value.message == "plugin mail: migration 0002 failed: division by zero"
    assert caught.value.details == {
        "capability": "mail",
        "revision": "0002",
        "sql_error": "division by zero",
        "applied": ["kernel:0001", "kernel:roles", "shop:0001"],
    }
    assert schemas(database) == ["_reactor_kernel", "_reactor_shop", "auth"]
    assert migrator.pending() == ["mail:0001", "mail:0002", "mail:0003"]
    mended = branch("mail", "CREATE TABLE _reactor_mail.m (x int)", "SELECT 1", "CREATE TABLE _reactor_mail.n (x int)")
    report = Migrator(database, [PluginBranch("shop", "1", shop), PluginBranch("mail", "1", mended)]).run()
    assert report.applied == ["mail:0001", "mail:0002", "mail:0003"]


def test_a_schema_ahead_of_the_code_stops(database: PostgresDatabase, branch: Make, tmp_path: Path) -> None:
    two = branch("data", "CREATE TABLE _reactor_data.a (x int)", "CREATE TABLE _reactor_data.b (x int)")
    Migrator(database, [PluginBranch("data", "0.2.0", two)]).run()
    (tmp_path / "revisions_of_data" / "0002_step.py").unlink()
    with pytest.raises(MigrationFailed) as caught:
        Migrator(database, [PluginBranch("data", "0.1.0", two)]).run()
    assert caught.value.message == (
        "plugin data: the database is at revision 0002, which this version (0.1.0) does not have; "
        "upgrade reactor-data or restore a backup"
    )


def test_steps_follow_their_branch_and_know_a_dry_run(database: PostgresDatabase, branch: Make) -> None:
    calls: list[bool] = []

    def apply(dry_run: bool) -> MigrationOutcome:
        calls.append(dry_run)
        if not dry_run:
            database.run(None, [Statement("SELECT * FROM _reactor_shop.a")])
        return MigrationOutcome(applied=("001.sql",), skipped=("000.sql",))

    shop = PluginBranch(
        "shop", "1", branch("shop", "CREATE TABLE _reactor_shop.a (x int)"), [MigrationStep("user", apply)]
    )
    migrator = Migrator(database, [shop])
    assert migrator.run(dry_run=True).applied[-2:] == ["shop:0001", "shop:001.sql"]
    report = migrator.run()
    assert (report.applied[-2:], report.skipped) == (["shop:0001", "shop:001.sql"], ["shop:000.sql"])
    assert migrator.run().applied == ["shop:001.sql"]
    assert calls == [True, False, False]


def test_a_failing_step_is_named(database: PostgresDatabase) -> None:
    def apply(dry_run: bool) -> MigrationOutcome:
        raise MigrationFailed("002.sql: syntax error", details={"revision": "002.sql", "sql_error": "syntax error"})

    def crash(dry_run: bool) -> MigrationOutcome:
        raise OSError("disk full")

    with pytest.raises(MigrationFailed) as caught:
        Migrator(database, [PluginBranch("shop", "1", None, [MigrationStep("user", apply)])]).run()
    assert caught.value.details == {
        "capability": "shop",
        "revision": "002.sql",
        "sql_error": "syntax error",
        "applied": ["kernel:0001", "kernel:roles"],
    }
    with pytest.raises(MigrationFailed) as caught:
        Migrator(database, [PluginBranch("shop", "1", None, [MigrationStep("user migrations", crash)])]).run()
    assert caught.value.message == "plugin shop: migration user migrations failed: OSError: disk full"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.py": 'revision = "1"\ndown_revision = None', "b.py": 'revision = "2"\ndown_revision = None'},
            "plugin shop: there are 2 newest revisions, 1 (a.py) and 2 (b.py); let one come after the other",
        ),
        (
            {"a.py": 'revision = "1"\ndown_revision = None', "b.py": 'revision = "1"\ndown_revision = None'},
            "plugin shop: a.py and b.py are both revision 1",
        ),
        (
            {"a.py": 'revision = "1"\ndown_revision = "0"'},
            "plugin shop: a.py comes after revision 0, which does not exist",
        ),
        ({"a.py": "x = 1"}, 'plugin shop: a.py has no line revision = "…"'),
        ({"a.py": 'revision = "1"'}, 'plugin shop: a.py has no line down_revision = "…" (None for the first)'),
        (
            {"a.py": "revision = str(1)\ndown_revision = None"},
            "plugin shop: revision in a.py must be written out as a literal",
        ),
        ({"a.py": "def ("}, "plugin shop: a.py line 1 is not Python: invalid syntax"),
        (
            {"a.py": 'revision = "1"\ndown_revision = "2"', "b.py": 'revision = "2"\ndown_revision = "1"'},
            "plugin shop: revisions 1, 2 come after each other in a circle",
        ),
    ],
)
def test_malformed_branches_are_named(
    database: PostgresDatabase, branch: Make, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    made = branch("shop")
    for name, content in files.items():
        (tmp_path / "revisions_of_shop" / name).write_text(content)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(database, [PluginBranch("shop", "1", made)]).run()
    assert caught.value.message == message
    assert schemas(database) == []


def test_a_missing_package_is_named(database: PostgresDatabase) -> None:
    with pytest.raises(MigrationFailed) as caught:
        Migrator(database, [PluginBranch("shop", "1", SchemaBranch("shop", "no_such.migrations"))]).run()
    assert caught.value.message == "plugin shop: its migrations package no_such.migrations does not exist"


def test_three_nodes_start_at_once_on_an_empty_database(dsn: str, branch: Make, tmp_path: Path) -> None:
    branch(
        "shop", "CREATE TABLE _reactor_shop.a (x int)", "SELECT pg_sleep(0.3)", "CREATE TABLE _reactor_shop.b (x int)"
    )
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from reactor_kernel.contributions import SchemaBranch\n"
        "from reactor_kernel.db.database import PostgresDatabase\n"
        "from reactor_kernel.db.migrate import Migrator, PluginBranch\n"
        "branches = [PluginBranch('shop', '1', SchemaBranch('shop', 'revisions_of_shop'))]\n"
        "print(len(Migrator(PostgresDatabase(sys.argv[1]), branches).run().applied))\n"
    )
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", program, dsn], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ended = [(node.communicate(timeout=60), node.returncode) for node in nodes]
    assert [code for _, code in ended] == [0, 0, 0], ended
    counts = sorted(int(out) for (out, _), _ in ended)
    assert counts[:2] == [0, 0]
    assert counts[2] >= 4


def test_two_kernels_of_one_process_migrate_different_databases_at_once(server: object, dsn: str, branch: Make) -> None:
    other_name = dsn.split("?")[0].rsplit("/", 1)[1] + "_b"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {other_name}")
    other = dsn.replace(other_name.removesuffix("_b"), other_name)
    shop = branch("shop", "CREATE TABLE _reactor_shop.a (x int)", "SELECT pg_sleep(0.1)")
    results: dict[str, object] = {}

    def migrate(url: str) -> None:
        database = PostgresDatabase(url)
        try:
            results[url] = Migrator(database, [PluginBranch("shop", "1", shop)]).run().applied[-2:]
        finally:
            database.dispose()

    threads = [threading.Thread(target=migrate, args=(url,)) for url in (dsn, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {other_name} WITH (FORCE)")
    assert results == {dsn: ["shop:0001", "shop:0002"], other: ["shop:0001", "shop:0002"]}


def test_roles_are_made_again_when_the_cluster_lost_them(database: PostgresDatabase, server: object) -> None:
    names = RoleNames('an"on', "Some One", "svc-x")
    renamed = PostgresDatabase(database.dsn, roles=names)
    Migrator(database, []).run()
    assert Migrator(renamed, []).pending() == ["kernel:roles"]
    assert Migrator(renamed, []).run().applied == ["kernel:roles"]
    assert Migrator(renamed, []).run().applied == []
    listed = Statement(
        "SELECT count(*) FROM pg_roles WHERE rolname IN ($1, $2, $3) AND NOT rolcanlogin",
        (names.anon, names.authenticated, names.service),
    )
    assert renamed.run(None, [listed])[0].rows == [(b"3",)]
    assert renamed.run(ANONYMOUS, [Statement("SELECT current_user, auth.db_role()")])[0].rows == [(b'an"on', b'an"on')]
    renamed.dispose()
    name = database.dsn.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(server.admin, dbname=name, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute('DROP OWNED BY "an""on", "Some One", "svc-x"')
        connection.execute('DROP ROLE "an""on", "Some One", "svc-x"')


def test_a_login_that_may_not_make_roles_is_told_what_to_run(dsn: str, server: object) -> None:
    admin = server.admin  # type: ignore[attr-defined]
    name = dsn.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS plain")
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'p'")
        connection.execute(f"ALTER DATABASE {name} OWNER TO plain")
    tcp = "@127" in dsn
    url = "postgresql://plain:p@" + dsn.split("@", 1)[1] if tcp else dsn.replace("//reactor@", "//plain@")
    database = PostgresDatabase(url, roles=RoleNames("p_anon", "p_user", "p_service"))
    with pytest.raises(MigrationFailed) as caught:
        Migrator(database, []).run()
    database.dispose()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} OWNER TO {'app' if tcp else 'reactor'}")
    assert caught.value.message.startswith(
        "plugin kernel: the login plain may not make or use the roles p_anon, p_user, p_service: permission denied"
    )
    assert caught.value.hint is None
    assert caught.value.error_hint == (
        'Run as a superuser: CREATE ROLE "p_anon" NOLOGIN; CREATE ROLE "p_user" NOLOGIN; CREATE ROLE "p_service" NOLOGIN; '
        'ALTER ROLE "p_service" BYPASSRLS; GRANT "p_anon", "p_user", "p_service" TO "plain";'
    )


def test_the_kernels_own_revision_can_be_taken_back(database: PostgresDatabase) -> None:
    import alembic.config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    import reactor_kernel.db as room

    Migrator(database, []).run()
    place = Path(room.__file__).parent
    script = ScriptDirectory(str(place / "alembic_env"), version_locations=[str(place / "migrations")])
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database.conninfo), poolclass=NullPool
    )
    with engine.begin() as connection:
        config = alembic.config.Config()
        config.attributes.update(connection=connection, schema="_reactor_kernel", on_version_apply=lambda **_: None)
        with EnvironmentContext(
            config, script, fn=lambda revision, _: script._downgrade_revs("base", revision), destination_rev="base"
        ):
            script.run_env()
    [result] = database.run(
        None, [Statement("SELECT to_regclass('_reactor_kernel.outbox_events'), to_regproc('auth.jwt')")]
    )
    assert result.rows == [(None, None)]
    assert Migrator(database, []).run().applied == ["kernel:0001"]
    [result] = database.run(ANONYMOUS, [Statement("SELECT auth.jwt() ->> 'token_type'")])
    assert result.rows == [(b"anon",)]
