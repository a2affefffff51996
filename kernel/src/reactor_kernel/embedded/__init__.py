"""The Postgres that Reactor brings along: made, started, stopped, upgraded and backed up under `.reactor/postgres`."""
