-- +goose Up

-- What each limit counts, in words, from when it was first configured: under one name it stays the same.
CREATE TABLE limit_counts (
    limit_name TEXT NOT NULL PRIMARY KEY,
    counts     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
