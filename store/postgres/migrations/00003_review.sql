-- +goose Up

-- Review items stay when they are finished. body is a candor.v1.ReviewItem with reasons, labels and every stage's answer;
-- verdict a candor.v1.Verdict.
CREATE TABLE review_items (
    id                   UUID             NOT NULL PRIMARY KEY,
    queue                TEXT             NOT NULL,
    state                SMALLINT         NOT NULL,
    release_state        SMALLINT         NOT NULL,
    kind                 SMALLINT         NOT NULL,
    prediction_id        UUID             NOT NULL,
    prediction_row       BIGINT           NOT NULL,
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
    unit                 TEXT             NOT NULL,
    body                 BYTEA            NOT NULL,
    traceparent          TEXT             NOT NULL,
    sampling_probability DOUBLE PRECISION NOT NULL CHECK (sampling_probability > 0 AND sampling_probability <= 1),
    policy_digest        BYTEA,
    verdict              BYTEA,
    verdict_request_id   TEXT             NOT NULL DEFAULT '',
    final_us             BIGINT           NOT NULL DEFAULT 0,
    held_by              TEXT             NOT NULL DEFAULT '',
    action               TEXT             NOT NULL DEFAULT '',
    final_reason         INTEGER          NOT NULL DEFAULT 0
);

-- Claims look at unfinished items only (1 PENDING, 2 CLAIMED), in the order in which they are worked off.
CREATE INDEX review_items_next_of_queue ON review_items (queue, expected_loss DESC, deadline_us, created_us, id)
    WHERE state IN (1, 2);
CREATE INDEX review_items_next ON review_items (expected_loss DESC, deadline_us, created_us, id) WHERE state IN (1, 2);
CREATE INDEX review_items_deadline ON review_items (deadline_us, id) WHERE state IN (1, 2);
CREATE INDEX review_items_newest ON review_items (created_us DESC, id DESC);
CREATE INDEX review_items_newest_of_state ON review_items (state, created_us DESC, id DESC);
CREATE INDEX review_items_prediction ON review_items (prediction_id, created_us DESC, id DESC);
-- Finished items (3 RESOLVED, 4 EXPIRED) whose answer a limit holds (release_state 1).
CREATE INDEX review_items_held ON review_items (final_us, id) WHERE release_state = 1 AND held_by <> '' AND state IN (3, 4);

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
-- that held the answer lets it out.
CREATE TABLE finals (
    position BIGINT NOT NULL PRIMARY KEY,
    item_id  UUID   NOT NULL REFERENCES review_items (id)
);
