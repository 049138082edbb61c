-- +goose Up

-- The gateway whose wall clock wall_us is, if it is wall_by_us as well; '': not known.
ALTER TABLE limit_accounts ADD COLUMN wall_by TEXT NOT NULL DEFAULT '', ADD COLUMN wall_by_us BIGINT NOT NULL DEFAULT 0;
