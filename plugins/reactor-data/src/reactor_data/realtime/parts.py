"""Puts the parts of realtime together for one kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_kernel.api import AuthClient, Identity, MigrationOutcome, OrgRef, PluginContext

if TYPE_CHECKING:
    import falcon

    from reactor_data.http.subscriptions import Subscriptions
    from reactor_data.realtime.feed import DataChanges
    from reactor_data.realtime.keeping import OutboxKeeper
    from reactor_data.roles import CallerRoles
    from reactor_data.running import Runner


class RealtimeParts:
    """Each part, made at its first use. Made before services start, because it listens."""

    def __init__(
        self,
        ctx: PluginContext,
        schema: SchemaCache,
        runner: Callable[[], Runner],
        roles: Callable[[], CallerRoles],
    ) -> None:
        from reactor_data.realtime.recording import CHANNEL

        self._ctx = ctx
        self._config: DataConfig = ctx.config
        self._schema = schema
        self._runner = runner
        self._roles = roles
        self._lock = threading.Lock()
        self._feed: DataChanges | None = None
        ctx.db.on_notify(CHANNEL, self._heard)

    @property
    def feed(self) -> DataChanges:
        """The changes of rows; offered to other plugins as `ChangeFeed`. There is one, since it has the one reader."""
        if self._feed is None:
            with self._lock:
                self._feed = self._feed or self._make_feed()
        return self._feed

    def _make_feed(self) -> DataChanges:
        from reactor_data.realtime.audience import Audience
        from reactor_data.realtime.eyes import Eyes
        from reactor_data.realtime.feed import DataChanges

        ctx = self._ctx
        guarded = self._config.table_permissions == "enforce"
        eyes = Eyes(self._schema, self._runner(), self._roles(), self._config.statement_timeout_ms, guarded=guarded)
        return DataChanges(
            ctx.db,
            self._schema,
            Audience(self._schema, eyes),
            enabled=self._config.realtime,
            clock=ctx.clock,
            log=ctx.log,
        )

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """What answers subscriptions over HTTP."""
        from reactor_data.http.subscriptions import Subscriptions

        return Subscriptions(self.feed, self._auth, self._ctx.draining, self._ctx.clock.monotonic)

    def identify(self, request: falcon.Request) -> Identity | None:
        """Return the caller of a subscription whose token stands in its query string."""
        if "access_token=" not in request.query_string:
            return None
        from reactor_data.http.subscriptions import token_in

        token = token_in(request)
        auth = self._auth() if token is not None else None
        if token is None or auth is None:
            return None
        org = request.get_header("X-Reactor-Org")
        return auth.resolve(token, OrgRef(org) if org else None)

    def keep_recording(self, dry_run: bool = False) -> MigrationOutcome:
        """Make the triggers that record changes what they should be."""
        from reactor_data.realtime.recording import keep_recording

        if dry_run:
            return MigrationOutcome((), ())
        enabled = self._config.realtime
        with self._ctx.db.begin() as tx:
            changed = keep_recording(tx, self._config.schemas, enabled=enabled)
        if changed:
            words = "are recorded" if enabled else "are no longer recorded"
            self._ctx.log.info("changes %s of %s", words, ", ".join(changed))
        return MigrationOutcome((), ())

    def keeper(self) -> OutboxKeeper:
        """Return what sweeps the outbox."""
        from reactor_data.realtime.keeping import OutboxKeeper

        return OutboxKeeper(self.feed.outbox, self._config.realtime_retention_secs, self.keep_recording)

    def close(self) -> None:
        """End the reader, where this process has one."""
        if self._feed is not None:
            self._feed.reader.close()

    def _heard(self, payload: str | None) -> None:
        if self._feed is not None:
            self._feed.reader.heard(payload)

    def _auth(self) -> AuthClient | None:
        return self._ctx.services.find(AuthClient)  # type: ignore[type-abstract]  # a contract is a Protocol
