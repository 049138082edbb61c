-- Times are microseconds since the epoch, by the store's clock; 0 stands for "none". Enum columns hold the numbers of
-- proto/candor/v1. There is no way back from the first migration: it would drop the decision log.

-- +goose Up

-- Whose store this is. Stays readable by every later version: it is looked at before anything is migrated.
CREATE TABLE store (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    identity   TEXT    NOT NULL,
    store_id   TEXT    NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;

-- high_water_us rises with every commit: the clock starts no earlier than here, and a commit whose answer got lost is
-- recognised by it.
CREATE TABLE clock (
    one           INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    high_water_us INTEGER NOT NULL
) STRICT;

-- One hash chain per writer. A chain's origin is the hash of the record (after_writer, after_seq) that was the log's last
-- when the writer first appeared, so that a writer can't be taken out of the middle either; the first one's is 32 zeros.
CREATE TABLE writers (
    ordinal      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE,
    opened_us    INTEGER NOT NULL,
    after_writer INTEGER NOT NULL,
    after_seq    INTEGER NOT NULL,
    origin       BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    head         BLOB    NOT NULL
) STRICT;

-- The decision log. prediction_id is set for predictions only. The only table that every plain accept is written to, hence
-- without foreign keys: the verifier finds strays.
CREATE TABLE log (
    writer        INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    prediction_id BLOB,
    data          BLOB    NOT NULL,
    hash          BLOB    NOT NULL,
    PRIMARY KEY (writer, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX log_predictions ON log (prediction_id) WHERE prediction_id IS NOT NULL;

-- What decisions are counted by. Few combinations occur (hundreds, not millions), so that a decision refers to one in a byte
-- or two, and counting walks one range of decisions for each. reasons is a mask: bit n is Reason n.
CREATE TABLE decision_kinds (
    id       INTEGER NOT NULL PRIMARY KEY,
    model    TEXT    NOT NULL,
    consumer TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    route    INTEGER NOT NULL,
    version  TEXT    NOT NULL,
    stage    TEXT    NOT NULL,
    reasons  INTEGER NOT NULL,
    UNIQUE (model, consumer, action, route, version, stage, reasons)
) STRICT;

CREATE TABLE decisions (
    kind          INTEGER NOT NULL,
    time_us       INTEGER NOT NULL,
    prediction_id BLOB    NOT NULL,
    row_count     INTEGER NOT NULL,
    PRIMARY KEY (kind, time_us, prediction_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
    position      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    prediction_id BLOB    NOT NULL,
    request_id    TEXT    NOT NULL,
    writer        INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    UNIQUE (prediction_id, request_id),
    FOREIGN KEY (writer, seq) REFERENCES log (writer, seq)
) STRICT;

-- Review items stay when they are finished. body is a candor.v1.ReviewItem with reasons, labels and every stage's answer;
-- verdict a candor.v1.Verdict.
CREATE TABLE review_items (
    id                   TEXT    NOT NULL PRIMARY KEY,
    queue                TEXT    NOT NULL,
    state                INTEGER NOT NULL,
    release_state        INTEGER NOT NULL,
    prediction_id        TEXT    NOT NULL,
    prediction_row       INTEGER NOT NULL,
    model                TEXT    NOT NULL,
    backend              TEXT    NOT NULL,
    model_version        TEXT    NOT NULL,
    consumer             TEXT    NOT NULL,
    expected_loss        REAL    NOT NULL CHECK (expected_loss >= 0),
    created_us           INTEGER NOT NULL,
    deadline_us          INTEGER NOT NULL,
    on_expire            INTEGER NOT NULL,
    default_label        TEXT    NOT NULL,
    default_value        REAL,
    holder               TEXT    NOT NULL DEFAULT '',
    epoch                INTEGER NOT NULL DEFAULT 0,
    lease_until_us       INTEGER NOT NULL DEFAULT 0,
    unit                 TEXT    NOT NULL,
    body                 BLOB    NOT NULL,
    traceparent          TEXT    NOT NULL,
    sampling_probability REAL    NOT NULL CHECK (sampling_probability > 0 AND sampling_probability <= 1),
    policy_digest        BLOB,
    verdict              BLOB,
    verdict_request_id   TEXT    NOT NULL DEFAULT '',
    final_us             INTEGER NOT NULL DEFAULT 0,
    held_by              TEXT    NOT NULL DEFAULT '',
    action               TEXT    NOT NULL DEFAULT '',
    final_reason         INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Claims look at unfinished items only (1 PENDING, 2 CLAIMED), in the order in which they are worked off.
CREATE INDEX review_items_next_of_queue ON review_items (queue, expected_loss DESC, deadline_us, created_us, id)
    WHERE state IN (1, 2);
CREATE INDEX review_items_next ON review_items (expected_loss DESC, deadline_us, created_us, id) WHERE state IN (1, 2);
CREATE INDEX review_items_deadline ON review_items (deadline_us, id) WHERE state IN (1, 2);
CREATE INDEX review_items_count ON review_items (queue, state) WHERE state IN (1, 2);
CREATE INDEX review_items_newest ON review_items (created_us DESC, id DESC);
CREATE INDEX review_items_newest_of_state ON review_items (state, created_us DESC, id DESC);
CREATE INDEX review_items_prediction ON review_items (prediction_id, created_us DESC, id DESC);
-- Finished items (3 RESOLVED, 4 EXPIRED) whose answer a limit holds (release_state 1).
CREATE INDEX review_items_held ON review_items (final_us, id) WHERE release_state = 1 AND held_by <> '' AND state IN (3, 4);

-- An item's place in the evidence of each certificate at decision time.
CREATE TABLE review_sequences (
    item_id     TEXT    NOT NULL REFERENCES review_items (id),
    certificate TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    probability REAL    NOT NULL,
    PRIMARY KEY (item_id, certificate),
    UNIQUE (certificate, number)
) STRICT, WITHOUT ROWID;

-- Inputs stand apart so that they can go while the item, and the record that holds their digest, stay. The retention counts
-- from finished_us (0: unfinished); data NULL: removed.
CREATE TABLE review_payloads (
    item_id     TEXT    NOT NULL PRIMARY KEY REFERENCES review_items (id),
    data        BLOB,
    sha256      BLOB    NOT NULL,
    finished_us INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX review_payloads_finished ON review_payloads (finished_us) WHERE data IS NOT NULL AND finished_us > 0;

-- The feed of final answers. AUTOINCREMENT: a position is never given twice. An item stands here when it gets its answer, and
-- again when a limit that held the answer lets it out.
CREATE TABLE finals (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    item_id  TEXT    NOT NULL REFERENCES review_items (id)
) STRICT;

CREATE TABLE limit_leases (
    limit_name TEXT    NOT NULL,
    id         INTEGER NOT NULL,
    permits    INTEGER NOT NULL,
    from_us    INTEGER NOT NULL,
    until_us   INTEGER NOT NULL,
    PRIMARY KEY (limit_name, id)
) STRICT, WITHOUT ROWID;

-- Every trip, which is also its alert.
CREATE TABLE limit_trips (
    position      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    limit_name    TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    model         TEXT    NOT NULL,
    consumer      TEXT    NOT NULL,
    prediction_id TEXT    NOT NULL,
    at_us         INTEGER NOT NULL,
    permits       INTEGER NOT NULL,
    max_count     INTEGER NOT NULL,
    window_ns     INTEGER NOT NULL,
    dry_run       INTEGER NOT NULL,
    delivered     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX limit_trips_undelivered ON limit_trips (position) WHERE delivered = 0;

-- A row is a latch that holds.
CREATE TABLE limit_latches (
    limit_name TEXT NOT NULL PRIMARY KEY,
    trip_id    TEXT NOT NULL REFERENCES limit_trips (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE limit_resets (
    position   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    limit_name TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    author     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    at_us      INTEGER NOT NULL,
    UNIQUE (limit_name, request_id)
) STRICT;
