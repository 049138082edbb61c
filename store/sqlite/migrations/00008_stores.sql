-- +goose Up

-- What reviewers gave on: skips (5) and escalations (6) of a span.
CREATE INDEX review_events_passed ON review_events (at_us) WHERE kind IN (5, 6);

-- What an item's answer was at its position, as review.Item's EncodeFinal has it; null: of a position that was given before there
-- was this column, at which the item has the answer that it has by now.
ALTER TABLE finals ADD COLUMN answer BLOB;

-- Logins that were tried, by what is held back when too many failed: an address, a user. key_sha256 is of that.
CREATE TABLE people_tries (
    key_sha256 BLOB NOT NULL PRIMARY KEY,
    began_us   INTEGER NOT NULL, -- of the window
    until_us   INTEGER NOT NULL,
    tries      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX people_tries_until ON people_tries (until_us);

-- Challenges that browsers are to sign with a passkey, each good once.
CREATE TABLE people_challenges (
    sha256    BLOB NOT NULL PRIMARY KEY,
    data      BLOB NOT NULL,
    expire_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX people_challenges_expire ON people_challenges (expire_us);
