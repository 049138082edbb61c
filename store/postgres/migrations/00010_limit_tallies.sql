-- +goose Up

-- What a ratio's numerators are counted against, of all gateways: answers since from_us, by the limit's time and what that has lost.
CREATE TABLE limit_tallies (
    limit_name TEXT   NOT NULL,
    from_us    BIGINT NOT NULL,
    answers    BIGINT NOT NULL,
    PRIMARY KEY (limit_name, from_us) INCLUDE (answers)
);

-- The last report of each gateway's process, so that one that is told again counts once.
CREATE TABLE limit_reporters (
    limit_name TEXT   NOT NULL,
    reporter   TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    at_us      BIGINT NOT NULL,
    PRIMARY KEY (limit_name, reporter)
);
