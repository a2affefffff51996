-- Durable events: written in the writer's transaction, delivered by the relay of reactor_kernel.events.

CREATE TABLE _reactor_kernel.outbox_events (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    version integer NOT NULL,
    payload json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE _reactor_kernel.outbox_events IS 'Events with durable subscribers; removed some time after the last delivery';

CREATE TABLE _reactor_kernel.outbox_deliveries (
    event_id uuid NOT NULL REFERENCES _reactor_kernel.outbox_events ON DELETE CASCADE,
    subscription text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    -- When it may be taken next: the backoff after a failure, the end of the lease while a node works on it.
    due_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    last_error text,
    finished_at timestamptz,
    PRIMARY KEY (event_id, subscription)
);
COMMENT ON TABLE _reactor_kernel.outbox_deliveries IS 'One row per event and durable subscription; dead ones stay until somebody acts';

CREATE INDEX outbox_deliveries_due ON _reactor_kernel.outbox_deliveries (subscription, due_at) WHERE state = 'pending';
CREATE INDEX outbox_deliveries_finished ON _reactor_kernel.outbox_deliveries (finished_at) WHERE state = 'done';
