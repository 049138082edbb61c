-- +goose Up

-- author and reason are of a person's stop; on_trip is a candor.v1.OnTrip. ack_us 0: nobody looks after the trip. closed: nobody has to
-- be told of it any more.
ALTER TABLE limit_trips ADD COLUMN author     TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN reason     TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN on_trip    BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE limit_trips ADD COLUMN ack_author TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN ack_note   TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN ack_us     BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE limit_trips ADD COLUMN closed     BOOLEAN NOT NULL DEFAULT false;

CREATE INDEX limit_trips_open ON limit_trips (position) WHERE NOT closed;

-- share_ppm 0: no probation. trip_id is of the trip that was released; empty: not known.
ALTER TABLE limit_resets ADD COLUMN asked_by  TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_resets ADD COLUMN share_ppm BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE limit_resets ADD COLUMN until_us  BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE limit_resets ADD COLUMN trip_id   TEXT    NOT NULL DEFAULT '';

CREATE INDEX limit_resets_of_trip ON limit_resets (trip_id);

-- Resets that one person has asked for and another has to confirm.
CREATE TABLE limit_asks (
    position   BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    limit_name TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    trip_id    TEXT    NOT NULL,
    author     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    at_us      BIGINT  NOT NULL,
    expires_us BIGINT  NOT NULL,
    UNIQUE (limit_name, request_id)
);

-- The history of limits, as in the log's LimitRecords. event is a candor.v1.LimitEvent.
CREATE TABLE limit_events (
    position      BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    limit_name    TEXT    NOT NULL,
    event         BIGINT  NOT NULL,
    at_us         BIGINT  NOT NULL,
    author        TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    trip_id       TEXT    NOT NULL,
    permits       BIGINT  NOT NULL,
    max_count     BIGINT  NOT NULL,
    prediction_id TEXT    NOT NULL,
    asked_by      TEXT    NOT NULL,
    share_ppm     BIGINT  NOT NULL,
    until_us      BIGINT  NOT NULL,
    expires_us    BIGINT  NOT NULL
);

CREATE INDEX limit_events_of_limit ON limit_events (limit_name, position DESC);

-- Messages about a trip to receivers. due_us 0: it isn't to be sent (again); delivered_us 0: it hasn't been taken.
CREATE TABLE limit_messages (
    trip_id      TEXT    NOT NULL REFERENCES limit_trips (id),
    receiver     TEXT    NOT NULL,
    resolved     BOOLEAN NOT NULL,
    attempts     BIGINT  NOT NULL,
    due_us       BIGINT  NOT NULL,
    delivered_us BIGINT  NOT NULL DEFAULT 0,
    error        TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (trip_id, receiver, resolved)
);

-- What was there before: trips and resets in the order of their times, and alerts that their one receiver has got.
INSERT INTO limit_events (limit_name, event, at_us, author, reason, trip_id, permits, max_count, prediction_id, asked_by, share_ppm, until_us, expires_us)
SELECT * FROM (
    SELECT limit_name, CASE WHEN dry_run THEN 3 ELSE 1 END, at_us AS moment, '', '', id, permits, max_count, prediction_id, '', 0, 0, 0 FROM limit_trips
    UNION ALL
    SELECT limit_name, 2, at_us, author, reason, '', 0, 0, '', '', 0, 0, 0 FROM limit_resets
) AS past ORDER BY moment;

INSERT INTO limit_messages (trip_id, receiver, resolved, attempts, due_us, delivered_us)
SELECT id, 'webhook', false, 1, 0, at_us FROM limit_trips WHERE delivered;

UPDATE limit_trips SET closed = true WHERE delivered AND id NOT IN (SELECT trip_id FROM limit_latches);
