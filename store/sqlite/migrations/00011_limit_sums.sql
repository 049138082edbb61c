-- +goose Up

-- The amount of a sum that didn't fit; 0 where answers are counted.
ALTER TABLE limit_trips  ADD COLUMN amount INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_events ADD COLUMN amount INTEGER NOT NULL DEFAULT 0;
