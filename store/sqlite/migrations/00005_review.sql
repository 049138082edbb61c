-- The whole life of a review item: package review says what each value means. body (candor.v1.ReviewItem) holds what nobody asks
-- for by its value: reasons, labels, answers, field, superseded, the escalation, the appeal, review_traceparent, model_replaced.

-- +goose Up

ALTER TABLE review_items ADD COLUMN claimed_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN wanted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE review_items ADD COLUMN agree INTEGER NOT NULL DEFAULT 1;
ALTER TABLE review_items ADD COLUMN tolerance REAL NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN adjudication INTEGER NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN undo_until_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN agreeing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN join_key BLOB;
ALTER TABLE review_items ADD COLUMN joined_to TEXT NOT NULL DEFAULT '';
ALTER TABLE review_items ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN golden TEXT NOT NULL DEFAULT '';
ALTER TABLE review_items ADD COLUMN golden_answer BLOB;
ALTER TABLE review_items ADD COLUMN golden_tolerance REAL NOT NULL DEFAULT 0;
ALTER TABLE review_items ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

-- lane keeps audits apart, which come first or last as the claim says. due_us is when the item is to be looked at: an open one at
-- its deadline, a settled one (3 RESOLVED) when its undo window closes; NULL: never.
ALTER TABLE review_items ADD COLUMN lane INTEGER GENERATED ALWAYS AS (CASE kind WHEN 2 THEN 1 ELSE 0 END) VIRTUAL;
ALTER TABLE review_items ADD COLUMN due_us INTEGER GENERATED ALWAYS AS (
    CASE WHEN state IN (1, 2) THEN deadline_us WHEN state = 3 AND final_us = 0 THEN undo_until_us END) VIRTUAL;

UPDATE review_items SET agreeing = 1 WHERE state = 3 AND verdict IS NOT NULL;

-- Every verdict of a reviewer, also those that were taken back. work_us NULL: not known.
CREATE TABLE review_verdicts (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    item_id  TEXT    NOT NULL REFERENCES review_items (id),
    reviewer TEXT    NOT NULL,
    queue    TEXT    NOT NULL,
    model    TEXT    NOT NULL,
    given_us INTEGER NOT NULL,
    work_us  INTEGER,
    undone   INTEGER NOT NULL DEFAULT 0,
    verdict  BLOB    NOT NULL
) STRICT;

INSERT INTO review_verdicts (item_id, reviewer, queue, model, given_us, verdict)
    SELECT id, holder, queue, model, final_us, verdict FROM review_items
    WHERE state = 3 AND holder <> '' AND verdict IS NOT NULL ORDER BY final_us, id;

CREATE UNIQUE INDEX review_verdicts_of_item ON review_verdicts (item_id, reviewer) WHERE undone = 0;
CREATE INDEX review_verdicts_of_reviewer ON review_verdicts (reviewer, item_id) WHERE undone = 0;
CREATE INDEX review_verdicts_given ON review_verdicts (given_us, position);
CREATE INDEX review_verdicts_of_queue ON review_verdicts (queue, given_us DESC, work_us) WHERE undone = 0;

-- Who doesn't get an item; until_us 0: for ever.
CREATE TABLE review_exclusions (
    item_id  TEXT    NOT NULL REFERENCES review_items (id),
    reviewer TEXT    NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (item_id, reviewer)
) STRICT, WITHOUT ROWID;

-- An item's history; it begins where this migration found it.
CREATE TABLE review_events (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    item_id  TEXT    NOT NULL REFERENCES review_items (id),
    kind     INTEGER NOT NULL,
    at_us    INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    note     TEXT    NOT NULL,
    queue    TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    verdict  BLOB
) STRICT;

CREATE INDEX review_events_of_item ON review_events (item_id, position);

-- What was asked for by a request id. led: the request came to the item by itself (1 a claim, 2 an appeal), and comes to it again.
CREATE TABLE review_requests (
    actor      TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    item_id    TEXT    NOT NULL REFERENCES review_items (id),
    led        INTEGER NOT NULL DEFAULT 0,
    at_us      INTEGER NOT NULL,
    PRIMARY KEY (actor, request_id, item_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX review_requests_at ON review_requests (at_us);

INSERT INTO review_requests (actor, request_id, item_id, at_us)
    SELECT holder, verdict_request_id, id, final_us FROM review_items WHERE verdict_request_id <> '' AND holder <> '';
ALTER TABLE review_items DROP COLUMN verdict_request_id;

-- Questions whose answer is known. body is a candor.v1.GoldenItem without what has a column; payload NULL: removed with the
-- question. answer_key is the answer as a text, for the balance. judged and correct count final verdicts.
CREATE TABLE review_golden (
    position   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    queue      TEXT    NOT NULL,
    consumer   TEXT    NOT NULL,
    answer_key TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    payload    BLOB,
    sha256     BLOB,
    author     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0,
    judged     INTEGER NOT NULL DEFAULT 0,
    correct    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX review_golden_of_queue ON review_golden (queue, position) WHERE deleted = 0;
CREATE UNIQUE INDEX review_golden_requests ON review_golden (author, request_id) WHERE request_id <> '';

-- Which question was shown to whom.
CREATE TABLE review_golden_shown (
    golden     TEXT NOT NULL REFERENCES review_golden (id),
    reviewer   TEXT NOT NULL,
    answer_key TEXT NOT NULL,
    PRIMARY KEY (golden, reviewer)
) STRICT, WITHOUT ROWID;

CREATE INDEX review_golden_shown_to ON review_golden_shown (reviewer, answer_key);

-- Claims look at what waits, by lane and in the order in which it is worked off; what has joined another item waits for that.
DROP INDEX review_items_next_of_queue;
DROP INDEX review_items_next;
DROP INDEX review_items_deadline;
DROP INDEX review_items_count;
DROP INDEX review_items_held;
CREATE INDEX review_items_next_of_queue ON review_items (queue, lane, expected_loss DESC, deadline_us, created_us, id)
    WHERE state IN (1, 2) AND joined_to = '';
CREATE INDEX review_items_next ON review_items (lane, expected_loss DESC, deadline_us, created_us, id)
    WHERE state IN (1, 2) AND joined_to = '';
CREATE INDEX review_items_due ON review_items (due_us, id) WHERE due_us IS NOT NULL;
CREATE INDEX review_items_count ON review_items (queue, state, lease_until_us, kind) WHERE state IN (1, 2) AND joined_to = '';
CREATE INDEX review_items_holders ON review_items (holder, id) WHERE state = 2;
CREATE INDEX review_items_joinable ON review_items (join_key, created_us) WHERE state IN (1, 2) AND joined_to = '' AND join_key IS NOT NULL;
CREATE INDEX review_items_joined ON review_items (joined_to) WHERE state IN (1, 2) AND joined_to <> '';
CREATE INDEX review_items_newest_of_queue ON review_items (queue, created_us DESC, id DESC, kind);
CREATE INDEX review_items_expired ON review_items (queue, final_us) WHERE state = 4;
-- Final answers that a limit holds (release_state 1).
CREATE INDEX review_items_held ON review_items (final_us, id) WHERE release_state = 1 AND held_by <> '' AND final_us > 0;
