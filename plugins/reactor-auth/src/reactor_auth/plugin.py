"""The manifest of reactor-auth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_auth import __version__
from reactor_auth.config import AuthConfig
from reactor_kernel.api import (
    Allow,
    AuthClient,
    BackgroundService,
    ConfigSection,
    EventType,
    Fallback,
    Generated,
    HealthCheck,
    Identity,
    MetricCollector,
    MigrationStep,
    Mount,
    OpenApiFragment,
    PermissionDoc,
    PluginContext,
    PluginInfo,
    Probe,
    SchemaBranch,
    ServiceProvider,
    StopSignal,
    Vote,
    hookimpl,
)

if TYPE_CHECKING:
    import falcon

    from reactor_auth.assembly import Auth
    from reactor_auth.http.credentials import Credentials


class AuthPlugin:
    """Identity: users, sessions, tokens, organisations, roles and permissions."""

    info = PluginInfo(
        name="auth",
        version=__version__,
        api=(1, 0),
        summary="Users, sessions, organisations, roles and permissions",
        extra_prefixes=("/_ops/v1/operators", "/_ops/v1/audit"),
    )

    def __init__(self) -> None:
        self._made: Auth | None = None
        self._credentials: Credentials | None = None

    def _auth(self, ctx: PluginContext) -> Auth:
        if self._made is None:
            from reactor_auth.assembly import Auth

            self._made = Auth(ctx)
        return self._made

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        yield ConfigSection(
            AuthConfig,
            secrets=("data_key", "smtp.password", "social.*.client_secret"),
            initial=('public_url = "http://127.0.0.1:8000"',),
            generate={"data_key": Generated("auth/data-key")},
            examples=(
                "curl {url}/auth/v1/signup -H 'Content-Type: application/json' "
                """-d '{"email":"you@example.com","password":"correct horse"}'""",
            ),
        )

    @hookimpl
    def reactor_schema(self) -> Iterable[SchemaBranch]:
        def tables() -> object:
            from reactor_auth.tables import metadata

            return metadata

        yield SchemaBranch("auth", "reactor_auth.migrations", tables)  # type: ignore[arg-type]

    @hookimpl
    def reactor_migrations(self, ctx: PluginContext) -> Iterable[MigrationStep]:
        from reactor_auth.signing import STEP

        yield MigrationStep(STEP, self._auth(ctx).keys.ensure)

    @hookimpl
    def reactor_permissions(self) -> Iterable[PermissionDoc]:
        from reactor_auth.permissions import PERMISSIONS

        return [PermissionDoc(name, meaning) for name, meaning in PERMISSIONS.items()]

    @hookimpl
    def reactor_event_types(self) -> Iterable[EventType]:
        from reactor_auth.events import EVENT_TYPES

        return EVENT_TYPES

    @hookimpl
    def reactor_services(self, ctx: PluginContext) -> Iterable[ServiceProvider]:
        auth = self._auth(ctx)

        def client() -> AuthClient:
            from reactor_auth.client import LocalAuthClient

            return LocalAuthClient(auth)

        yield ServiceProvider(AuthClient, client)

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount | Fallback]:
        from reactor_auth.http.mounts import mounts

        return mounts(self._auth(ctx))

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        from reactor_auth.openapi import document

        yield OpenApiFragment(document(ctx.info.url_prefix, operators=ctx.operators.enabled))

    @hookimpl
    def reactor_identify(self, ctx: PluginContext, request: falcon.Request) -> Identity | None:
        credentials = self._credentials
        if credentials is None:
            from reactor_auth.http.credentials import Credentials

            credentials = self._credentials = Credentials(self._auth(ctx))
        return credentials.identify(request)

    @hookimpl
    def reactor_authorize(self, ctx: PluginContext, identity: Identity, action: str, target: object) -> Vote:
        return Allow() if identity.may(action) else None

    @hookimpl
    def reactor_background(self, ctx: PluginContext) -> Iterable[BackgroundService]:
        auth = self._auth(ctx)

        def sweep(stop: StopSignal) -> None:
            from reactor_auth.sweeping import Sweeper

            Sweeper(auth).run(stop)

        yield BackgroundService("auth-sweep", sweep, leader_only=True)

    @hookimpl
    def reactor_probes(self, ctx: PluginContext) -> Iterable[Probe]:
        from reactor_auth import probes

        auth = self._auth(ctx)
        yield Probe("auth tables", lambda: probes.tables(auth))
        yield Probe("auth signing key", lambda: probes.signing_key(auth))

    @hookimpl
    def reactor_health(self, ctx: PluginContext) -> Iterable[HealthCheck]:
        from reactor_auth import probes

        auth = self._auth(ctx)
        yield HealthCheck(lambda: probes.health(auth))

    @hookimpl
    def reactor_metrics(self, ctx: PluginContext) -> Iterable[MetricCollector]:
        from reactor_auth.metrics import CACHED

        auth = self._auth(ctx)
        yield MetricCollector((CACHED,), lambda: auth.metrics.cached(len(auth.resolver.identities)))

    @hookimpl
    def reactor_started(self, ctx: PluginContext) -> None:
        import threading

        # In a thread of its own: the server already answers, and the first sign-in need not wait for imports.
        threading.Thread(target=self._auth(ctx).warm_up, name="auth-warm-up", daemon=True).start()
