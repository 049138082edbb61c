-- Times are microseconds since the epoch, by the store's clock; 0 stands for "none". Enum columns hold the numbers of
-- proto/candor/v1. There is no way back from the first migration: it would drop the decision log.

-- +goose Up

-- Whose store this is. Stays readable by every later version: it is looked at before anything is migrated.
CREATE TABLE store (
    one        BOOLEAN NOT NULL PRIMARY KEY CHECK (one),
    identity   TEXT    NOT NULL,
    store_id   UUID    NOT NULL,
    created_us BIGINT  NOT NULL
);

-- One hash chain per writer. A chain's origin is the hash of the record (after_writer, after_seq) that was the newest
-- writer's last when this one first appeared, so that a writer can't be taken out of the middle either; the first one's is
-- 32 zeros. owner is the open store that goes on with the chain: one before it is shut out. batch rises with every commit of the writer: a commit whose answer got lost is recognised by it. clock_us is the
-- time of its last commit; the store's clock starts no earlier than the latest of all.
CREATE TABLE writers (
    ordinal      INTEGER NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    opened_us    BIGINT  NOT NULL,
    after_writer INTEGER NOT NULL,
    after_seq    BIGINT  NOT NULL,
    origin       BYTEA   NOT NULL,
    seq          BIGINT  NOT NULL,
    head         BYTEA   NOT NULL,
    owner        UUID    NOT NULL,
    batch        BIGINT  NOT NULL DEFAULT 0,
    clock_us     BIGINT  NOT NULL
) WITH (fillfactor = 50);

-- The decision log. prediction_id is set for predictions only. Without foreign keys, since every plain accept is written to
-- it: the verifier finds strays.
CREATE TABLE log (
    writer        INTEGER NOT NULL,
    seq           BIGINT  NOT NULL,
    prediction_id UUID,
    data          BYTEA   NOT NULL,
    hash          BYTEA   NOT NULL,
    PRIMARY KEY (writer, seq)
);

CREATE UNIQUE INDEX log_predictions ON log (prediction_id) WHERE prediction_id IS NOT NULL;

-- What decisions are counted by. Few combinations occur (hundreds, not millions), so that a decision refers to one by a
-- number, and counting walks one range of decisions for each. reasons is a mask: bit n is Reason n. key is a digest of the
-- other columns, since a model server's version may be too long for an index.
CREATE TABLE decision_kinds (
    id       INTEGER NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    key      BYTEA   NOT NULL UNIQUE,
    model    TEXT    NOT NULL,
    consumer TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    route    INTEGER NOT NULL,
    version  TEXT    NOT NULL,
    stage    TEXT    NOT NULL,
    reasons  BIGINT  NOT NULL
);

CREATE TABLE decisions (
    kind          INTEGER NOT NULL,
    time_us       BIGINT  NOT NULL,
    prediction_id UUID    NOT NULL,
    row_count     BIGINT  NOT NULL,
    PRIMARY KEY (kind, time_us, prediction_id)
);

CREATE TABLE outcomes (
    position      BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    prediction_id UUID    NOT NULL,
    request_id    TEXT    NOT NULL,
    writer        INTEGER NOT NULL,
    seq           BIGINT  NOT NULL,
    UNIQUE (prediction_id, request_id)
);

-- The last position of each feed. Whoever appends to one updates its row as the last thing before its commit, and so waits
-- for the commit of the one before: positions become visible in their order, without a gap.
CREATE TABLE feeds (
    name     TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
) WITH (fillfactor = 50);

INSERT INTO feeds (name, position) VALUES ('finals', 0), ('certificates', 0);

-- One row per transaction outside of a writer's batches, for a day: whether it was committed when the connection broke.
CREATE TABLE commit_tokens (
    token      UUID        NOT NULL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX commit_tokens_age ON commit_tokens (created_at);

CREATE TABLE limit_leases (
    limit_name TEXT   NOT NULL,
    id         BIGINT NOT NULL,
    permits    BIGINT NOT NULL,
    from_us    BIGINT NOT NULL,
    until_us   BIGINT NOT NULL,
    PRIMARY KEY (limit_name, id)
);

-- Every trip, which is also its alert.
CREATE TABLE limit_trips (
    position      BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id            TEXT    NOT NULL UNIQUE,
    limit_name    TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    model         TEXT    NOT NULL,
    consumer      TEXT    NOT NULL,
    prediction_id TEXT    NOT NULL,
    at_us         BIGINT  NOT NULL,
    permits       BIGINT  NOT NULL,
    max_count     BIGINT  NOT NULL,
    window_ns     BIGINT  NOT NULL,
    dry_run       BOOLEAN NOT NULL,
    delivered     BOOLEAN NOT NULL DEFAULT false
);

CREATE INDEX limit_trips_undelivered ON limit_trips (position) WHERE NOT delivered;

-- A row is a latch that holds.
CREATE TABLE limit_latches (
    limit_name TEXT NOT NULL PRIMARY KEY,
    trip_id    TEXT NOT NULL REFERENCES limit_trips (id)
);

CREATE TABLE limit_resets (
    position   BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    limit_name TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    author     TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    at_us      BIGINT NOT NULL,
    UNIQUE (limit_name, request_id)
);

-- What candor calibrate has made, never changed and never removed: decisions name it by name@version. digest is over scope,
-- data set and body, data the whole message.
CREATE TABLE artefacts (
    name       TEXT   COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    digest     BYTEA  NOT NULL,
    data       BYTEA  NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (name, version),
    UNIQUE (name, digest)
);

-- What each version of an ensemble was when it was first served. Never changed and never deleted: records, weights and
-- certificates name versions.
CREATE TABLE ensemble_pins (
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    digest  TEXT NOT NULL,
    PRIMARY KEY (name, version)
);

-- Made when first asked for, and never changed: coins are made of it.
CREATE TABLE secrets (
    name  TEXT  NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);
