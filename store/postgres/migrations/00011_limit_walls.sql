-- +goose Up

-- What the wall clock of the gateway said that asked last; 0: not known.
ALTER TABLE limit_accounts ADD COLUMN wall_us BIGINT NOT NULL DEFAULT 0;
