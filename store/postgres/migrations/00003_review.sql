-- +goose Up

-- Review items stay when they are finished. body is a candor.v1.ReviewItem with what nothing is looked for by: reasons, labels,
-- every stage's answer, verdicts, notes. A state of 1 is PENDING, 2 CLAIMED, 3 RESOLVED, 4 EXPIRED, 5 WITHDRAWN; a kind of 2 an
-- audit, 3 golden, 4 an appeal; a release_state of 1 HELD. due_us is when something happens to the item by itself.
CREATE TABLE review_items (
    id                   UUID             NOT NULL PRIMARY KEY,
    queue                TEXT             NOT NULL,
    state                SMALLINT         NOT NULL,
    release_state        SMALLINT         NOT NULL,
    kind                 SMALLINT         NOT NULL,
    prediction_id        UUID             NOT NULL,
    prediction_row       BIGINT           NOT NULL,
    field                TEXT             NOT NULL,
    model                TEXT             NOT NULL,
    backend              TEXT             NOT NULL,
    model_version        TEXT             NOT NULL,
    consumer             TEXT             NOT NULL,
    expected_loss        DOUBLE PRECISION NOT NULL CHECK (expected_loss >= 0),
    created_us           BIGINT           NOT NULL,
    deadline_us          BIGINT           NOT NULL,
    on_expire            SMALLINT         NOT NULL,
    default_label        TEXT             NOT NULL,
    default_value        DOUBLE PRECISION,
    holder               TEXT             NOT NULL DEFAULT '',
    epoch                BIGINT           NOT NULL DEFAULT 0,
    lease_until_us       BIGINT           NOT NULL DEFAULT 0,
    claimed_us           BIGINT           NOT NULL DEFAULT 0,
    unit                 TEXT             NOT NULL,
    body                 BYTEA            NOT NULL,
    traceparent          TEXT             NOT NULL,
    sampling_probability DOUBLE PRECISION NOT NULL CHECK (sampling_probability > 0 AND sampling_probability <= 1),
    policy_digest        BYTEA,
    wanted               INTEGER          NOT NULL,
    agree                INTEGER          NOT NULL,
    tolerance            DOUBLE PRECISION NOT NULL,
    agreeing             INTEGER          NOT NULL DEFAULT 0,
    adjudication         BOOLEAN          NOT NULL DEFAULT false,
    undo_until_us        BIGINT           NOT NULL DEFAULT 0,
    final_us             BIGINT           NOT NULL DEFAULT 0,
    held_by              TEXT             NOT NULL DEFAULT '',
    action               TEXT             NOT NULL DEFAULT '',
    final_reason         INTEGER          NOT NULL DEFAULT 0,
    model_replaced       BOOLEAN          NOT NULL DEFAULT false,
    golden               UUID,
    golden_answer        BYTEA,
    golden_tolerance     DOUBLE PRECISION NOT NULL DEFAULT 0,
    join_key             BYTEA,
    joined_to            UUID,
    joined               INTEGER          NOT NULL DEFAULT 0,
    revision             BIGINT           NOT NULL DEFAULT 1,
    audit                BOOLEAN          NOT NULL GENERATED ALWAYS AS (kind = 2) STORED,
    due_us               BIGINT           GENERATED ALWAYS AS (
        CASE WHEN state IN (1, 2) THEN deadline_us WHEN state = 3 AND final_us = 0 THEN undo_until_us END) STORED
) WITH (fillfactor = 80);

-- Claims look at unfinished items only, in the order in which they are worked off; finished ones don't slow them down.
CREATE INDEX review_items_next_of_queue ON review_items (queue, audit, expected_loss DESC, deadline_us, created_us, id)
    WHERE state IN (1, 2) AND joined_to IS NULL;
CREATE INDEX review_items_next ON review_items (audit, expected_loss DESC, deadline_us, created_us, id)
    WHERE state IN (1, 2) AND joined_to IS NULL;
CREATE INDEX review_items_due ON review_items (due_us, id) WHERE due_us IS NOT NULL;
CREATE INDEX review_items_newest ON review_items (created_us DESC, id DESC);
CREATE INDEX review_items_newest_of_state ON review_items (state, created_us DESC, id DESC);
CREATE INDEX review_items_prediction ON review_items (prediction_id, created_us DESC, id DESC);
CREATE INDEX review_items_held ON review_items (final_us, id) WHERE release_state = 1 AND held_by <> '' AND final_us > 0;
CREATE INDEX review_items_join ON review_items (join_key, created_us) WHERE state IN (1, 2) AND joined_to IS NULL AND join_key IS NOT NULL;
CREATE INDEX review_items_joined ON review_items (joined_to) WHERE joined_to IS NOT NULL AND state IN (1, 2);
CREATE INDEX review_items_expired ON review_items (queue, final_us) WHERE state = 4;
CREATE INDEX review_items_newest_of_queue ON review_items (queue, created_us DESC, id DESC);
CREATE INDEX review_items_holders ON review_items (holder, id) WHERE state = 2;
-- One appeal of a row at a time.
CREATE UNIQUE INDEX review_items_appeal ON review_items (prediction_id, prediction_row, field) WHERE kind = 4 AND final_us = 0;

-- Who doesn't get an item; until_us 0: for ever.
CREATE TABLE review_exclusions (
    item_id  UUID   NOT NULL REFERENCES review_items (id),
    reviewer TEXT   NOT NULL,
    until_us BIGINT NOT NULL,
    PRIMARY KEY (item_id, reviewer)
);

-- Every verdict that was given, for reports: in which queue, and how long it took; verdict is a candor.v1.Verdict.
CREATE TABLE review_verdicts (
    position BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    item_id  UUID    NOT NULL REFERENCES review_items (id),
    reviewer TEXT    NOT NULL,
    queue    TEXT    NOT NULL,
    model    TEXT    NOT NULL,
    given_us BIGINT  NOT NULL,
    work_us  BIGINT,
    undone   BOOLEAN NOT NULL DEFAULT false,
    verdict  BYTEA   NOT NULL
);

CREATE UNIQUE INDEX review_verdicts_standing ON review_verdicts (item_id, reviewer) WHERE NOT undone;
CREATE INDEX review_verdicts_given ON review_verdicts (given_us, position);
CREATE INDEX review_verdicts_of_queue ON review_verdicts (queue, given_us) WHERE NOT undone;
CREATE INDEX review_verdicts_of_reviewer ON review_verdicts (reviewer, item_id) WHERE NOT undone;

-- What was asked for by a request id. led: the request came to the item by itself (1 a claim, 2 an appeal), and comes to it again.
CREATE TABLE review_requests (
    actor      TEXT     NOT NULL,
    request_id TEXT     NOT NULL,
    item_id    UUID     NOT NULL REFERENCES review_items (id),
    led        SMALLINT NOT NULL,
    at_us      BIGINT   NOT NULL,
    PRIMARY KEY (actor, request_id, item_id)
);

CREATE INDEX review_requests_at ON review_requests (at_us);

CREATE TABLE review_events (
    position BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    item_id  UUID     NOT NULL REFERENCES review_items (id),
    kind     SMALLINT NOT NULL,
    at_us    BIGINT   NOT NULL,
    actor    TEXT     NOT NULL,
    note     TEXT     NOT NULL,
    queue    TEXT     NOT NULL,
    epoch    BIGINT   NOT NULL,
    verdict  BYTEA
);

CREATE INDEX review_events_of_item ON review_events (item_id, position);

-- Questions whose answer is known. body is a candor.v1.GoldenItem without what has a column; payload NULL: removed with the
-- question. answer_key is the answer as a text, for the balance. judged and correct count final verdicts.
CREATE TABLE review_golden (
    position   BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id         UUID    NOT NULL UNIQUE,
    queue      TEXT    NOT NULL,
    consumer   TEXT    NOT NULL,
    answer_key TEXT    NOT NULL,
    body       BYTEA   NOT NULL,
    payload    BYTEA,
    sha256     BYTEA,
    author     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    created_us BIGINT  NOT NULL,
    deleted    BOOLEAN NOT NULL DEFAULT false,
    judged     BIGINT  NOT NULL DEFAULT 0,
    correct    BIGINT  NOT NULL DEFAULT 0
);

CREATE INDEX review_golden_of_queue ON review_golden (queue, position) WHERE NOT deleted;
CREATE UNIQUE INDEX review_golden_requests ON review_golden (author, request_id) WHERE request_id <> '';

-- Which question was shown to whom.
CREATE TABLE review_golden_shown (
    golden     UUID NOT NULL REFERENCES review_golden (id),
    reviewer   TEXT NOT NULL,
    answer_key TEXT NOT NULL,
    PRIMARY KEY (golden, reviewer)
);

CREATE INDEX review_golden_shown_to ON review_golden_shown (reviewer, answer_key);

-- An item's part in each certificate, for as long as the item is kept. number 0: it doesn't count. position is the row's
-- place in its unit. loss and missing are the final verdict's, once the row is settled.
CREATE TABLE certificate_rows (
    item_id     UUID             NOT NULL REFERENCES review_items (id),
    certificate TEXT             COLLATE "C" NOT NULL,
    number      BIGINT           NOT NULL,
    position    INTEGER          NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    least       DOUBLE PRECISION NOT NULL,
    confidence  DOUBLE PRECISION NOT NULL,
    label       TEXT             NOT NULL,
    value       DOUBLE PRECISION,
    accepted    BOOLEAN          NOT NULL,
    other_model BOOLEAN          NOT NULL,
    settled     BOOLEAN          NOT NULL DEFAULT false,
    loss        DOUBLE PRECISION NOT NULL DEFAULT 0,
    missing     BOOLEAN          NOT NULL DEFAULT false,
    PRIMARY KEY (item_id, certificate)
);

CREATE UNIQUE INDEX certificate_rows_of_unit ON certificate_rows (certificate, number, position) WHERE number > 0;

-- Inputs stand apart so that they can go while the item, and the record that holds their digest, stay. The retention counts
-- from finished_us (0: unfinished); data NULL: removed.
CREATE TABLE review_payloads (
    item_id     UUID   NOT NULL PRIMARY KEY REFERENCES review_items (id),
    data        BYTEA,
    sha256      BYTEA  NOT NULL,
    finished_us BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX review_payloads_finished ON review_payloads (finished_us) WHERE data IS NOT NULL AND finished_us > 0;

-- The feed of final answers; positions come from feeds. An item stands here when it gets its answer, and again when a limit
-- that held the answer lets it out, and when the answer is replaced.
CREATE TABLE finals (
    position BIGINT NOT NULL PRIMARY KEY,
    item_id  UUID   NOT NULL REFERENCES review_items (id)
);
