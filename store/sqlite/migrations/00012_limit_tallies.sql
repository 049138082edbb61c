-- +goose Up

-- What a ratio's numerators are counted against: answers since from_us.
CREATE TABLE limit_tallies (
    limit_name TEXT    NOT NULL,
    from_us    INTEGER NOT NULL,
    answers    INTEGER NOT NULL,
    PRIMARY KEY (limit_name, from_us)
) STRICT, WITHOUT ROWID;

-- The last report of each process, so that one that is told again counts once.
CREATE TABLE limit_reporters (
    limit_name TEXT    NOT NULL,
    reporter   TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    at_us      INTEGER NOT NULL,
    PRIMARY KEY (limit_name, reporter)
) STRICT, WITHOUT ROWID;
