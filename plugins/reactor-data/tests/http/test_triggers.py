"""What triggers that wait for the commit run as."""

from __future__ import annotations

from typing import Any

TABLES = """
create table seen (who text not null) with (rls = false);
create table things (id int primary key) with (rls = false);
create function note() returns trigger language plpgsql
  as $$ begin insert into seen values (current_user); return null; end $$;
create constraint trigger noted after insert or update or delete on things
  deferrable initially deferred for each row execute function note();
create function add_thing(id int) returns void language sql volatile as $$ insert into things values (add_thing.id) $$;
"""


def test_they_are_the_callers_whatever_the_version_of_postgres(served: Any) -> None:
    """Before version 18 Postgres runs them as the role that is set at the commit: never the login role's rights."""
    own = served(TABLES)
    assert own.ann.call("POST", "things", body={"id": 1}).status_code == 201
    assert own.ann.call("PATCH", "things?id=eq.1", body={"id": 2}).status_code == 204
    assert own.ann.call("DELETE", "things?id=eq.2", Prefer="return=representation").status_code == 200
    assert own.ann.call("POST", "rpc/add_thing", body={"id": 3}).status_code == 204
    assert own.ann.call("POST", "things", body=[{"id": 4}], Prefer="outcome=per-row").status_code == 201
    part = {"id": "a", "method": "POST", "path": "/data/v1/things", "body": {"id": 5}}
    assert own.ann.call("POST", "_batch", body={"requests": [part]}).status_code == 200
    assert own.rows("select who, count(*)::text from seen group by who") == [("reactor_authenticated", "6")]
