-- Submissions: attempts of many rows that go to the service in one StartRunBatch, and which rows may go together.

PRAGMA user_version = 14;

CREATE TABLE submissions (
    key         INTEGER PRIMARY KEY, -- the order in which they were intended
    batch       INTEGER NOT NULL REFERENCES batches,
    request_id  TEXT NOT NULL UNIQUE
        CONSTRAINT "a requestId has 64 hex digits" CHECK (length(request_id) = 64 AND request_id NOT GLOB '*[^0-9a-f]*'),
    lane        TEXT CHECK (lane <> ''),
    name        TEXT NOT NULL CHECK (name <> '' AND length(name) <= 64),
    rows        INTEGER NOT NULL CHECK (rows >= 1),
    intended_at INTEGER NOT NULL,
    standing    TEXT NOT NULL DEFAULT 'intended' CHECK (standing IN ('intended', 'taken', 'over')),
    sent_at     INTEGER, -- when a call of it may have been sent last
    batch_id    TEXT,    -- the service's
    batch_uuid  TEXT,
    status      TEXT,    -- what the service said last
    code        TEXT,
    message     TEXT,
    request     TEXT,    -- the very bytes that are sent; NULL once nobody sends them any more

    UNIQUE (batch, name),
    CONSTRAINT "what is taken has its batch's id" CHECK (standing <> 'taken' OR batch_id IS NOT NULL),
    CONSTRAINT "a uuid comes with its id" CHECK (batch_uuid IS NULL OR batch_id IS NOT NULL),
    CONSTRAINT "its bytes are there until it is over" CHECK ((request IS NULL) = (standing = 'over'))
) STRICT;

CREATE INDEX open_submissions ON submissions (batch, key) WHERE standing <> 'over';

CREATE TRIGGER submission_goes_on BEFORE UPDATE ON submissions
WHEN (old.standing = 'over' AND new.standing <> 'over') OR (old.standing = 'taken' AND new.standing = 'intended')
BEGIN
    SELECT raise(ABORT, 'a submission that was taken or is over does not go back');
END;

CREATE TRIGGER submission_stays_what_it_is BEFORE UPDATE ON submissions
WHEN new.batch <> old.batch OR new.request_id <> old.request_id OR new.lane IS NOT old.lane OR new.name <> old.name
    OR new.rows <> old.rows OR new.intended_at <> old.intended_at OR new.request <> old.request
BEGIN
    SELECT raise(ABORT, 'a submission stays what it was intended to be');
END;

CREATE TRIGGER submissions_stay BEFORE DELETE ON submissions
BEGIN
    SELECT raise(ABORT, 'submissions are not deleted');
END;

-- Which attempts went by it. An attempt may be intended several times, by submissions and by itself.
CREATE TABLE submission_rows (
    submission INTEGER NOT NULL REFERENCES submissions,
    entry      INTEGER NOT NULL REFERENCES entries,
    attempt    INTEGER NOT NULL CHECK (attempt >= 1),
    intent     INTEGER NOT NULL CHECK (intent >= 1), -- which of the entry's intents this one was, from 1

    PRIMARY KEY (submission, entry),
    UNIQUE (entry, intent)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER submission_rows_stay_as_they_are BEFORE UPDATE ON submission_rows
BEGIN
    SELECT raise(ABORT, 'history is not changed');
END;

CREATE TRIGGER submission_rows_stay BEFORE DELETE ON submission_rows
BEGIN
    SELECT raise(ABORT, 'history is not deleted');
END;

-- Rows of one shape may share a submission. Made from what a row asks for, and made anew where that changes.
CREATE TABLE shapes (
    entry INTEGER PRIMARY KEY REFERENCES entries,
    shape TEXT NOT NULL
) STRICT;

CREATE TRIGGER shape_is_of_an_attempt AFTER UPDATE OF request, offers, lane, attempt ON entries
WHEN new.request <> old.request OR new.offers IS NOT old.offers OR new.lane IS NOT old.lane OR new.attempt <> old.attempt
BEGIN
    DELETE FROM shapes WHERE entry = new.key;
END;
