-- Another attempt of the same content, after a wait.

PRAGMA user_version = 3;

INSERT INTO event_kinds (kind) VALUES ('retried');

CREATE INDEX entries_planned_later ON entries (batch, due) WHERE state = 'planned' AND due IS NOT NULL;
