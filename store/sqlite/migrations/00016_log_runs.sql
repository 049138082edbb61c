-- +goose Up

-- Runs of consecutive records that nobody waited for, which is most of the log: one row holds many, and is found by what they span.
-- records has, one after the other, each record's length (LEB128), its bytes, and its hash (32 bytes). least_id and most_id are the
-- least and the greatest id of its predictions, from_us and to_us the times of its records: a run spans no more than a minute of either
-- (of an id: the time in its first 48 bits).
CREATE TABLE log_runs (
    writer    INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    least_id  BLOB    NOT NULL,
    most_id   BLOB    NOT NULL,
    from_us   INTEGER NOT NULL,
    to_us     INTEGER NOT NULL,
    records   BLOB    NOT NULL,
    PRIMARY KEY (writer, last_seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX log_runs_ids   ON log_runs (most_id, least_id);
CREATE INDEX log_runs_times ON log_runs (to_us, from_us);

-- How many rows, of how many predictions, of a run are of a kind. example is the last of these predictions. What a span of time cuts in
-- two is counted from the records themselves.
CREATE TABLE run_decisions (
    kind             INTEGER NOT NULL,
    to_us            INTEGER NOT NULL,
    writer           INTEGER NOT NULL,
    last_seq         INTEGER NOT NULL,
    from_us          INTEGER NOT NULL,
    row_count        INTEGER NOT NULL,
    prediction_count INTEGER NOT NULL,
    example          BLOB    NOT NULL,
    PRIMARY KEY (kind, to_us, writer, last_seq)
) STRICT, WITHOUT ROWID;
