"""The kit finds what is wrong: each check fails for a plugin with that fault, and passes for one without."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from reactor_kernel.api import (
    Access,
    BackgroundService,
    ConfigSection,
    Mount,
    OpenApiFragment,
    PermissionDoc,
    PluginContext,
    PluginInfo,
    Probe,
    ProbeResult,
    Readiness,
    SchemaBranch,
    StopSignal,
    hookimpl,
)
from reactor_kernel.testing import KernelFactory, TestPostgres
from reactor_plugin_conformance import PluginConformance


@dataclass(frozen=True)
class TellingConfig:
    """A section whose `repr` shows its secret."""

    key: str = ""


class Kind:
    """A resource."""

    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {}


class Careless:
    """A plugin that does many things wrong."""

    info = PluginInfo(name="careless", version="1.0", api=(1, 0))

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        yield ConfigSection(TellingConfig, secrets=("key",))

    @hookimpl
    def reactor_permissions(self) -> Iterable[PermissionDoc]:
        yield PermissionDoc("other:thing", "Somebody else's")

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        yield Mount("/careless/v1/thing", Kind(), access=Access.USER, permission="careless:undocumented")

    @hookimpl
    def reactor_openapi(self) -> Iterable[OpenApiFragment]:
        yield OpenApiFragment({"paths": {"/careless/v1/thing": {"get": {"responses": {}}}}})

    def reactor_health(self) -> Iterable[Any]:
        """Named like a hook, and never called."""
        return []

    @hookimpl
    def reactor_background(self) -> Iterable[BackgroundService]:
        def raises(stop: StopSignal) -> None:
            raise RuntimeError("broken")

        yield BackgroundService("careless-raises", raises)


class CheckCareless(PluginConformance):
    plugin = Careless
    config: ClassVar = {"key": "a-secret-to-be-told"}


def failure(check: Any, *arguments: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*arguments)
    return str(caught.value)


def test_a_plugin_that_is_not_installed_has_no_entry_point() -> None:
    said = failure(CheckCareless().test_the_entry_point_names_this_class_and_its_distribution)
    assert "one entry point of group reactor.plugins must be named 'careless'" in said


def test_a_hook_without_its_mark_is_found() -> None:
    said = failure(CheckCareless().test_every_hook_exists_and_is_marked)
    assert "are not marked @hookimpl, so nobody calls them" in said
    assert "reactor_health" in said


def test_a_permission_of_somebody_else_is_found() -> None:
    said = failure(CheckCareless().test_permissions_belong_to_it_and_are_explained)
    assert "other:thing must start with careless:" in said


def test_a_secret_in_the_configs_repr_is_found(
    kernel_factory: KernelFactory, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    said = failure(CheckCareless().test_no_secret_of_its_section_is_told, kernel_factory, caplog, capfd)
    assert "these secrets are shown in a log, an answer or the config's repr: ['key']" in said


def test_an_undocumented_permission_and_a_silent_operation_are_found(kernel_factory: KernelFactory) -> None:
    from reactor_kernel.kernel import Stage

    check = CheckCareless()
    kernel = check.boot(kernel_factory, until=Stage.BUILT)
    assert "careless:undocumented" in failure(check.test_every_permission_asked_for_is_documented, kernel)
    assert "GET /careless/v1/thing" in failure(check.test_every_route_is_in_the_openapi_document, kernel)


def test_a_background_service_that_raises_is_found(kernel_factory: KernelFactory) -> None:
    said = failure(CheckCareless().test_background_services_end_when_told, kernel_factory)
    assert "careless-raises raised" in said


# -- a plugin with tables, in a package of its own -----------------------------------------------------------------------

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = None


def upgrade():
    {body}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package `kit_migrations` for revision files."""
    folder = tmp_path / "kit_migrations"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("kit_migrations", None)


def revision(folder: Path, name: str, down: str | None, body: str, *, labels: tuple[str, ...] | None = None) -> None:
    text = REVISION.format(name=name, down=down, labels=labels, body=body)
    (folder / f"{name}.py").write_text(text)


def _metadata() -> Any:
    import sqlalchemy

    metadata = sqlalchemy.MetaData(schema="_reactor_tabled")
    sqlalchemy.Table("things", metadata, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True))
    return metadata


class Tabled:
    """A plugin with one table and a probe that does not look."""

    info = PluginInfo(name="tabled", version="1.0", api=(1, 0))

    @hookimpl
    def reactor_schema(self) -> Iterable[SchemaBranch]:
        yield SchemaBranch("tabled", "kit_migrations", _metadata)

    @hookimpl
    def reactor_probes(self) -> Iterable[Probe]:
        yield Probe("blind", lambda: ProbeResult(Readiness.OK, "all is well"))


class CheckTabled(PluginConformance):
    plugin = Tabled


MAKE = 'op.create_table("things", sa.Column("id", sa.Integer, primary_key=True){more}, schema="_reactor_tabled")'


def test_tables_that_agree_with_the_metadata_pass(package: Path, kernel_factory: KernelFactory) -> None:
    revision(package, "tabled_0001", None, MAKE.format(more=""), labels=("tabled",))
    CheckTabled().test_the_tables_are_those_of_the_metadata(kernel_factory)
    CheckTabled().test_the_branch_is_labelled_has_one_head_and_depends_on_nobody(kernel_factory)
    CheckTabled().test_an_empty_database_is_upgraded_and_the_second_run_does_nothing(kernel_factory)


def test_a_column_the_metadata_does_not_know_is_found(package: Path, kernel_factory: KernelFactory) -> None:
    class Differing(Tabled):
        """A class of its own, because a template database is kept for each set of classes."""

    class CheckDiffering(PluginConformance):
        plugin = Differing

    revision(package, "tabled_0001", None, MAKE.format(more=', sa.Column("extra", sa.Text)'), labels=("tabled",))
    said = failure(CheckDiffering().test_the_tables_are_those_of_the_metadata, kernel_factory)
    assert "the migrated tables differ from the metadata" in said
    assert "remove_column" in said


def test_two_heads_are_found(package: Path, kernel_factory: KernelFactory) -> None:
    revision(package, "tabled_0001", None, MAKE.format(more=""), labels=("tabled",))
    revision(package, "tabled_0002a", "tabled_0001", "pass")
    revision(package, "tabled_0002b", "tabled_0001", "pass")
    said = failure(CheckTabled().test_the_branch_is_labelled_has_one_head_and_depends_on_nobody, kernel_factory)
    assert "merge them" in said


def test_a_probe_that_does_not_look_is_found(
    package: Path, kernel_factory: KernelFactory, reactor_postgres: TestPostgres
) -> None:
    revision(package, "tabled_0001", None, MAKE.format(more=""), labels=("tabled",))
    check = CheckTabled().test_without_the_database_probes_fail_and_health_says_so
    assert "every probe passes although the database is gone" in failure(check, kernel_factory, reactor_postgres)
