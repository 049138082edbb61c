-- Evidence for certificates: calibration/certificate says what the numbers mean. REAL columns hold a float64 exactly.

-- +goose Up

-- 1: a caller waits for the answer; 2: the row is judged only.
ALTER TABLE review_items ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;

-- Nothing was ever drawn under the schema before: there were no certificates. certificate_rows takes its place.
DROP TABLE review_sequences;

-- Every version of every certificate; state is a candor.v1.CertificateState. upstream is the digest of the tier before.
CREATE TABLE certificates (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest   TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    model    TEXT    NOT NULL,
    stage    TEXT    NOT NULL,
    segment  TEXT    NOT NULL,
    upstream TEXT    NOT NULL,
    ended    INTEGER NOT NULL DEFAULT 0,
    state    BLOB    NOT NULL,
    UNIQUE (digest, version)
) STRICT;

CREATE UNIQUE INDEX certificates_in_force ON certificates (digest) WHERE ended = 0;
CREATE INDEX certificates_downstream ON certificates (upstream, digest) WHERE ended = 0;
CREATE INDEX certificates_listed ON certificates (ended, position DESC);
CREATE INDEX certificates_listed_of_model ON certificates (model, ended, position DESC);

-- Calls that were drawn and aren't consumed yet, of versions in force; certificate is digest.version. open counts rows without
-- a final verdict.
CREATE TABLE certificate_units (
    certificate TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    least       REAL    NOT NULL,
    drawn_us    INTEGER NOT NULL,
    open        INTEGER NOT NULL CHECK (open >= 0),
    PRIMARY KEY (certificate, number)
) STRICT, WITHOUT ROWID;

-- An item's part in each certificate, for as long as the item is kept. number 0: it doesn't count. position is the row's place
-- in its unit. loss and missing are the final verdict's, once the row is settled.
CREATE TABLE certificate_rows (
    item_id     TEXT    NOT NULL REFERENCES review_items (id),
    certificate TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    probability REAL    NOT NULL,
    least       REAL    NOT NULL,
    confidence  REAL    NOT NULL,
    label       TEXT    NOT NULL,
    value       REAL,
    accepted    INTEGER NOT NULL,
    other_model INTEGER NOT NULL,
    settled     INTEGER NOT NULL DEFAULT 0,
    loss        REAL    NOT NULL DEFAULT 0,
    missing     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (item_id, certificate)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX certificate_rows_of_unit ON certificate_rows (certificate, number, position) WHERE number > 0;

-- What has entered a key's evidence, in whatever version: digests of inputs (cluster 0) and of what shares its fate (1).
CREATE TABLE certificate_inputs (
    digest  TEXT    NOT NULL,
    cluster INTEGER NOT NULL,
    input   BLOB    NOT NULL,
    PRIMARY KEY (digest, cluster, input)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificate_revocations (
    certificate TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    PRIMARY KEY (certificate, request_id)
) STRICT, WITHOUT ROWID;

-- Made when first asked for, and never changed: coins are made of it.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
