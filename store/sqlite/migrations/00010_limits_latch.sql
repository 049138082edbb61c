-- +goose Up

-- author and reason are of a person's stop; on_trip is a candor.v1.OnTrip. ack_us 0: nobody looks after the trip. closed: nobody has to
-- be told of it any more.
ALTER TABLE limit_trips ADD COLUMN author     TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN reason     TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN on_trip    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_trips ADD COLUMN ack_author TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN ack_note   TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips ADD COLUMN ack_us     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_trips ADD COLUMN closed     INTEGER NOT NULL DEFAULT 0;

CREATE INDEX limit_trips_open ON limit_trips (position) WHERE closed = 0;

-- share_ppm 0: no probation. trip_id is of the trip that was released; empty: not known.
ALTER TABLE limit_resets ADD COLUMN asked_by  TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_resets ADD COLUMN share_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_resets ADD COLUMN until_us  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_resets ADD COLUMN trip_id   TEXT    NOT NULL DEFAULT '';

CREATE INDEX limit_resets_of_trip ON limit_resets (trip_id);

-- Resets that one person has asked for and another has to confirm.
CREATE TABLE limit_asks (
    position   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    limit_name TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    trip_id    TEXT    NOT NULL,
    author     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    at_us      INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    UNIQUE (limit_name, request_id)
) STRICT;

-- The history of limits, as in the log's LimitRecords. event is a candor.v1.LimitEvent.
CREATE TABLE limit_events (
    position      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    limit_name    TEXT    NOT NULL,
    event         INTEGER NOT NULL,
    at_us         INTEGER NOT NULL,
    author        TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    trip_id       TEXT    NOT NULL,
    permits       INTEGER NOT NULL,
    max_count     INTEGER NOT NULL,
    prediction_id TEXT    NOT NULL,
    asked_by      TEXT    NOT NULL,
    share_ppm     INTEGER NOT NULL,
    until_us      INTEGER NOT NULL,
    expires_us    INTEGER NOT NULL
) STRICT;

CREATE INDEX limit_events_of_limit ON limit_events (limit_name, position DESC);

-- Messages about a trip to receivers. due_us 0: it isn't to be sent (again); delivered_us 0: it hasn't been taken.
CREATE TABLE limit_messages (
    trip_id      TEXT    NOT NULL REFERENCES limit_trips (id),
    receiver     TEXT    NOT NULL,
    resolved     INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    due_us       INTEGER NOT NULL,
    delivered_us INTEGER NOT NULL DEFAULT 0,
    error        TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (trip_id, receiver, resolved)
) STRICT, WITHOUT ROWID;

-- What was there before: trips and resets in the order of their times, and alerts that their one receiver has got.
INSERT INTO limit_events (limit_name, event, at_us, author, reason, trip_id, permits, max_count, prediction_id, asked_by, share_ppm, until_us, expires_us)
SELECT * FROM (
    SELECT limit_name, CASE dry_run WHEN 0 THEN 1 ELSE 3 END, at_us AS moment, '', '', id, permits, max_count, prediction_id, '', 0, 0, 0 FROM limit_trips
    UNION ALL
    SELECT limit_name, 2, at_us, author, reason, '', 0, 0, '', '', 0, 0, 0 FROM limit_resets
) ORDER BY moment;

INSERT INTO limit_messages (trip_id, receiver, resolved, attempts, due_us, delivered_us)
SELECT id, 'webhook', 0, 1, 0, at_us FROM limit_trips WHERE delivered = 1;

UPDATE limit_trips SET closed = 1 WHERE delivered = 1 AND id NOT IN (SELECT trip_id FROM limit_latches);
