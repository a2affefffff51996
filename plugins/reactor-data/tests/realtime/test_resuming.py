"""Going on behind the last event: nothing is missed, whatever order transactions commit in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def connect(kernel: Any) -> Iterator[Callable[[], Any]]:
    """Connections of the owner, each for a transaction of its own."""
    import psycopg

    opened: list[Any] = []

    def make() -> Any:
        opened.append(psycopg.connect(kernel.database.dsn))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def add(connection: Any, a: int) -> None:
    connection.execute("insert into pairs values (%s, 'x', 'v')", (a,))


def received(stream: Any, count: int) -> list[int]:
    return [frame.data["new"]["a"] for frame in stream.take_all(count)]


def test_a_transaction_that_commits_later_with_a_lower_number_is_not_missed(ann: Any, connect: Any) -> None:
    stream = ann.subscribe("pairs")
    slow, quick = connect(), connect()
    add(slow, 1)
    add(quick, 2)
    quick.commit()
    first = stream.next()
    assert first.data["new"]["a"] == 2  # an open transaction holds nobody up
    slow.commit()
    second = stream.next()
    assert second.data["new"]["a"] == 1
    assert second.data["seq"] < first.data["seq"]


def test_resuming_behind_a_number_brings_lower_ones_that_committed_afterwards(ann: Any, connect: Any) -> None:
    stream = ann.subscribe("pairs", read=True)
    slow, quick = connect(), connect()
    add(quick, 1)
    quick.commit()
    add(slow, 2)
    add(quick, 3)
    quick.commit()
    last = stream.take_all(2)[1]
    assert last.data["new"]["a"] == 3
    slow.commit()
    add(quick, 4)
    quick.commit()
    again = ann.subscribe("pairs", last_event_id=last.id)
    assert received(again, 2) == [2, 4]
    assert again.nothing_more()


def test_the_rest_of_a_transaction_and_of_a_statement_is_resumed(ann: Any, connect: Any) -> None:
    stream = ann.subscribe("pairs")
    writer = connect()
    writer.execute("insert into pairs select n, 'x', 'v' from generate_series(1, 3) n")
    add(writer, 4)
    writer.commit()
    frames = stream.take_all(4)
    assert [frame.data["new"]["a"] for frame in frames] == [1, 2, 3, 4]
    for index, frame in enumerate(frames):
        again = ann.subscribe(f"pairs?subscribe=1&last_event_id={frame.id}")
        assert received(again, 3 - index) == [2, 3, 4][index:]
        assert again.nothing_more(0.3)


def test_the_same_change_has_the_same_id_when_it_comes_again(ann: Any, sql: Any) -> None:
    begun = ann.subscribe("pairs")
    sql("insert into pairs values (1, 'x', 'v')")
    first = begun.next()
    again = ann.subscribe("pairs", last_event_id=begun.blocks[1].removeprefix("id: "))
    assert again.next() == first


def test_a_subscriber_that_received_nothing_still_resumes_from_where_it_began(ann: Any, sql: Any) -> None:
    sql("insert into pairs values (1, 'x', 'before')")
    stream = ann.subscribe("pairs")
    began = stream.last_id
    assert began is not None
    sql("insert into pairs values (2, 'x', 'while away')")
    again = ann.subscribe("pairs", last_event_id=began)
    assert received(again, 1) == [2]
    assert again.nothing_more(0.3)


def test_zero_is_the_beginning(ann: Any, sql: Any) -> None:
    sql("insert into pairs select n, 'x', 'v' from generate_series(1, 3000) n")
    stream = ann.subscribe("pairs", last_event_id="0")
    assert received(stream, 3000) == list(range(1, 3001))


def test_what_is_older_than_the_outbox_is_resynced_and_goes_on_live(ann: Any, kernel: Any, sql: Any) -> None:
    stream = ann.subscribe("pairs")
    sql("insert into pairs values (1, 'x', 'v')")
    sql("insert into pairs values (2, 'x', 'v')")
    first, _ = stream.take_all(2)
    from reactor_data.realtime.outbox import Outbox

    outbox = Outbox(kernel.database)
    assert outbox.sweep(3600) == 0
    sql("update _reactor_data.realtime_outbox set created_at = created_at - interval '2 hours'")
    sql("insert into pairs values (3, 'x', 'v')")
    assert outbox.sweep(3600) == 3  # the first row there was, and two changes; the newest stays
    again = ann.subscribe("pairs", last_event_id=first.id)
    frame = again.next()
    assert (frame.event, frame.data) == ("resync", {"reason": "too_old", "after": int(first.id)})
    sql("insert into pairs values (4, 'x', 'v')")
    assert received(again, 1) == [4]
    assert ann.subscribe("pairs", last_event_id="0").next().event == "resync"


def test_a_backlog_that_is_swept_while_it_is_read_is_resynced(ann: Any, kernel: Any, sql: Any) -> None:
    from reactor_data.realtime.outbox import PAGE, Outbox

    for number in range(3 * PAGE):
        sql(f"insert into pairs values ({number}, 'x', 'v')")
    slow = ann.subscribe("pairs", last_event_id="0", read=False)
    assert slow.pull().data["new"]["a"] == 0
    sql("update _reactor_data.realtime_outbox set created_at = created_at - interval '2 hours'")
    sql("insert into pairs values (-1, 'x', 'v')")
    assert Outbox(kernel.database).sweep(3600) > 2 * PAGE
    seen = [0]
    while (frame := slow.pull()).event == "INSERT":
        seen.append(frame.data["new"]["a"])
    assert seen == list(range(len(seen)))
    assert (frame.event, frame.data["reason"], len(seen) <= PAGE) == ("resync", "too_old", True)
    assert slow.pull().data["new"]["a"] == -1  # and it goes on


def test_a_number_that_never_was_is_resynced_and_nonsense_refused(ann: Any) -> None:
    assert ann.subscribe("pairs", last_event_id="999999999").next().event == "resync"
    refused = ann.subscribe("pairs", last_event_id="abc")
    assert refused.status == 400
    assert refused.error["error"]["message"] == "the last event id is not a number"


def test_interleaved_writers_lose_nothing_to_a_subscriber_that_reconnects_all_the_time(ann: Any, kernel: Any) -> None:
    import random

    import psycopg

    dice, writers, each = random.Random(7), 4, 60
    barrier = threading.Barrier(writers + 1)

    def write(number: int) -> None:
        own = random.Random(number)
        with psycopg.connect(kernel.database.dsn) as connection:
            barrier.wait()
            for at in range(each):
                add(connection, number * 1000 + at)
                if own.random() < 0.5:
                    connection.execute("select pg_sleep(%s)", (own.random() / 50,))
                if own.random() < 0.6:
                    connection.commit()
            connection.commit()

    stream = ann.subscribe("pairs", read=False)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    barrier.wait()
    seen: set[int] = set()
    wanted = {number * 1000 + at for number in range(writers) for at in range(each)}
    reconnects = 0
    while seen != wanted:
        frame = stream.pull()
        seen.add(frame.data["new"]["a"])
        if dice.random() < 0.15:
            # What is queued is thrown away: only what was read counts, as for a browser that crashed.
            stream.close()
            stream = ann.subscribe("pairs", read=False, last_event_id=frame.id)
            reconnects += 1
    for thread in threads:
        thread.join()
    stream.close()
    assert reconnects > 5
