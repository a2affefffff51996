"""The manifest of reactor-auth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from reactor_auth import __version__
from reactor_auth.config import AuthConfig
from reactor_kernel.api import (
    Allow,
    AuthClient,
    BackgroundService,
    CommandGroup,
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
    from reactor_auth.remote import RemoteAuthClient


SETTLING_SECS = 0.5
"""How long after its start a server is left to answer before what it will need later is loaded."""


def _settled(run: Callable[[StopSignal], None]) -> Callable[[StopSignal], None]:
    """Let a service begin a little after the server, so that the first answers do not wait for its imports."""

    def later(stop: StopSignal) -> None:
        if not stop.wait(SETTLING_SECS):
            run(stop)

    return later


class AuthPlugin:
    """Identity: users, sessions, tokens, organisations, roles and permissions."""

    info = PluginInfo(
        name="auth",
        version=__version__,
        api=(1, 1),
        summary="Users, sessions, organisations, roles and permissions",
        extra_prefixes=("/_internal", "/_ops/v1/operators", "/_ops/v1/audit"),
    )

    def __init__(self) -> None:
        self._made: Auth | None = None
        self._credentials: Credentials | None = None
        self._remote_made: RemoteAuthClient | None = None

    def _remote(self, ctx: PluginContext) -> RemoteAuthClient | None:
        """Return the client of the server at `[auth] url`; None where identity runs in this process."""
        if ctx.config.url is None:
            return None
        if self._remote_made is None:
            from reactor_auth.remote import RemoteAuthClient

            self._remote_made = RemoteAuthClient(ctx.config, ctx.info.name, ctx.info.url_prefix, ctx.clock, ctx.log)
        return self._remote_made

    def _auth(self, ctx: PluginContext) -> Auth:
        if self._made is None:
            from reactor_auth.assembly import Auth

            self._made = Auth(ctx)
        return self._made

    @hookimpl
    def reactor_hookspecs(self) -> Iterable[type]:
        from reactor_auth.hookspecs import AuthSpecs

        yield AuthSpecs

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        yield ConfigSection(
            AuthConfig,
            secrets=("data_key", "smtp.password", "internal_secret", "social.*.client_secret"),
            initial=('public_url = "http://127.0.0.1:8000"', 'jwt_issuer = "{public_url}/auth/v1"'),
            generate={"data_key": Generated("auth/data-key")},
            examples=(
                "curl {url}/auth/v1/signup -H 'Content-Type: application/json' "
                """-d '{"email":"you@example.com","password":"correct horse"}'""",
            ),
        )

    @hookimpl
    def reactor_schema(self, ctx: PluginContext) -> Iterable[SchemaBranch]:
        if ctx.config.url is not None:
            return

        def tables() -> object:
            from reactor_auth.tables import metadata

            return metadata

        yield SchemaBranch("auth", "reactor_auth.migrations", tables)  # type: ignore[arg-type]

    @hookimpl
    def reactor_migrations(self, ctx: PluginContext) -> Iterable[MigrationStep]:
        if ctx.config.url is not None:
            return
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
        remote = self._remote(ctx)
        if remote is not None:
            yield ServiceProvider(AuthClient, lambda: remote)
            return
        auth = self._auth(ctx)

        def client() -> AuthClient:
            from reactor_auth.client import LocalAuthClient

            return LocalAuthClient(auth)

        yield ServiceProvider(AuthClient, client)

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount | Fallback]:
        if ctx.config.url is not None:
            return ()
        from reactor_auth.http.mounts import mounts

        return mounts(self._auth(ctx))

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        if ctx.config.url is not None:
            return
        from reactor_auth.openapi import document

        internal = ctx.config.internal_secret is not None
        yield OpenApiFragment(document(ctx.info.url_prefix, operators=ctx.operators.enabled, internal=internal))

    @hookimpl
    def reactor_identify(self, ctx: PluginContext, request: falcon.Request) -> Identity | None:
        remote = self._remote_made
        if remote is not None:
            return remote.identify(request)
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
        if ctx.config.url is not None:
            return
        auth = self._auth(ctx)

        def sweep(stop: StopSignal) -> None:
            from reactor_auth.sweeping import Sweeper

            Sweeper(auth).run(stop)

        yield BackgroundService("auth-sweep", _settled(sweep), leader_only=True)
        yield BackgroundService("auth-last-seen", auth.seen.run)
        yield BackgroundService("auth-key-rotation", _settled(lambda stop: auth.rotation.run(stop)), leader_only=True)
        yield BackgroundService("auth-key-use", auth.key_resolver.note_use)

        from reactor_auth.mail.postoffice import CHANNEL, PostOffice

        office = PostOffice(auth)
        auth.db.on_notify(CHANNEL, office.wake)
        yield BackgroundService("auth-mail", _settled(office.run))

    @hookimpl
    def reactor_probes(self, ctx: PluginContext) -> Iterable[Probe]:
        remote = self._remote(ctx)
        if remote is not None:
            yield Probe("auth server", remote.probe)
            return
        from reactor_auth import probes

        auth = self._auth(ctx)
        yield Probe("auth tables", lambda: probes.tables(auth))
        yield Probe("auth signing key", lambda: probes.signing_key(auth))
        yield Probe("auth key rotation", lambda: probes.rotation(auth))
        yield Probe("auth issuer", lambda: probes.issuer(auth))
        yield Probe("auth mail", lambda: probes.mail(auth))

    @hookimpl
    def reactor_health(self, ctx: PluginContext) -> Iterable[HealthCheck]:
        remote = self._remote(ctx)
        if remote is not None:
            yield HealthCheck(remote.health)
            return
        from reactor_auth import probes

        auth = self._auth(ctx)
        yield HealthCheck(lambda: probes.health(auth))

    @hookimpl
    def reactor_metrics(self, ctx: PluginContext) -> Iterable[MetricCollector]:
        if ctx.config.url is not None:
            return
        from reactor_auth.metrics import CACHED, KEY_AGE, KEYS_PUBLISHED, MAILS_WAITING

        auth = self._auth(ctx)

        def waiting() -> None:
            from reactor_auth.queries.outbox import WAITING

            [found] = auth.db.run(None, [WAITING], readonly=True)
            auth.metrics.mails_waiting(int(found.rows[0][0] or 0))

        yield MetricCollector((MAILS_WAITING,), waiting)
        yield MetricCollector((CACHED,), lambda: auth.metrics.cached(len(auth.resolver.identities)))
        yield MetricCollector((KEYS_PUBLISHED, KEY_AGE), auth.measure_keys)

    @hookimpl
    def reactor_commands(self) -> Iterable[CommandGroup]:
        yield CommandGroup("login", "reactor_auth.cli.sign_in:login", help="Sign in to a server", anywhere=True)
        yield CommandGroup("logout", "reactor_auth.cli.sign_in:logout", help="End the sign-in", anywhere=True)
        yield CommandGroup("whoami", "reactor_auth.cli.sign_in:whoami", help="Show who you are there", anywhere=True)
        yield CommandGroup(
            "auth", "reactor_auth.cli.group:auth", help="Users, organisations, keys and sessions", anywhere=True
        )

    @hookimpl
    def reactor_started(self, ctx: PluginContext) -> None:
        if ctx.config.url is not None:
            return
        import threading

        # A little later and in a thread of its own: neither the server's first answer nor the first sign-in waits for imports.
        timer = threading.Timer(SETTLING_SECS, self._auth(ctx).warm_up)
        timer.name, timer.daemon = "auth-warm-up", True
        timer.start()
