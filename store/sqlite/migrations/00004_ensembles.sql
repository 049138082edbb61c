-- +goose Up

-- What each version of an ensemble was when it was first served. Never changed and never deleted: records, weights and
-- certificates name versions.
CREATE TABLE ensemble_pins (
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    digest  TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
