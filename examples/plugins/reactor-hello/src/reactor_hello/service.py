"""What the plugin does; it knows no HTTP."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from reactor_hello import queries
from reactor_hello.config import HelloConfig
from reactor_hello.contract import Greeting, GreetingSent
from reactor_kernel.api import Clock, Database, ReactorError, StopSignal, ValidationError, uuid7


@dataclass(frozen=True, slots=True)
class StoredGreeting:
    """A greeting in the table."""

    id: str
    name: str
    text: str
    created_at: datetime


class ConfiguredGreeter:
    """Greets with the words of the configuration; implements `Greeter`."""

    def __init__(self, config: HelloConfig) -> None:
        self._config = config

    def greet(self, name: str) -> Greeting:
        """Return the greeting for a name. Raises ValidationError for a name that is empty or too long."""
        limit = self._config.max_name_length
        if not name.strip():
            raise ValidationError("the name is empty", fields={"name": ["must not be empty"]})
        if len(name) > limit:
            raise ValidationError(
                f"the name is longer than {limit} characters", fields={"name": [f"at most {limit} characters"]}
            )
        text = f"{self._config.greeting}, {name}!"
        return Greeting(text, self._seal(text))

    def _seal(self, text: str) -> str | None:
        key = self._config.seal_key
        return None if key is None else hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


class Greetings:
    """The stored greetings of all organisations; `on_sent` is called after each commit of one."""

    def __init__(self, db: Database, greeter: ConfiguredGreeter, clock: Clock, on_sent: Callable[[], None]) -> None:
        self._db = db
        self._greeter = greeter
        self._clock = clock
        self._on_sent = on_sent

    def send(self, org_id: str | None, name: str) -> StoredGreeting:
        """Store a greeting in an organisation and publish `hello.greeting.sent` with the commit."""
        text = self._greeter.greet(name).text
        greeting_id, now = uuid7(), self._clock.now()
        with self._db.begin() as tx:
            tx.execute(queries.insert_greeting(greeting_id, _uuid(org_id), name, text, now))
            tx.publish("hello.greeting.sent", GreetingSent(str(greeting_id), name))
            tx.after_commit(self._on_sent)
        return StoredGreeting(str(greeting_id), name, text, now)

    def newest(self, org_id: str | None, limit: int) -> list[StoredGreeting]:
        """Return an organisation's greetings, newest first."""
        with self._db.begin(readonly=True) as tx:
            rows = tx.execute(queries.newest_greetings(_uuid(org_id), limit)).all()
        return [StoredGreeting(str(row.id), row.name, row.text, row.created_at) for row in rows]


class Tallies:
    """How often each name was greeted."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def count(self, event: GreetingSent) -> None:
        """Bring a name's tally up to date; an event that comes twice counts once."""
        with self._db.begin() as tx:
            tx.execute(queries.recount(event.name))

    def of(self, name: str) -> int:
        """Return how often a name was greeted, as far as events were delivered."""
        with self._db.begin(readonly=True) as tx:
            return int(tx.execute(queries.tally_of(name)).scalar() or 0)


class Sweeper:
    """Deletes greetings that are older than `keep_days`, on one node at a time."""

    def __init__(self, db: Database, config: HelloConfig, clock: Clock, log: logging.Logger) -> None:
        self._db = db
        self._config = config
        self._clock = clock
        self._log = log

    def run(self, stop: StopSignal) -> None:
        """Sweep every `sweep_every_secs` until told to stop."""
        while not stop.is_set():
            try:
                self.sweep()
            except ReactorError as exc:
                # The database may be away for a while; the next round sweeps what this one could not.
                self._log.warning("greetings were not swept: %s", exc)
            stop.wait(self._config.sweep_every_secs)

    def sweep(self) -> int:
        """Delete what is too old; return how many greetings went."""
        limit = self._clock.now() - timedelta(days=self._config.keep_days)
        with self._db.begin() as tx:
            gone = tx.execute(queries.delete_before(limit)).rowcount
        if gone:
            self._log.info("swept %d greetings", gone)
        return gone


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
