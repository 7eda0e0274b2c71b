-- What is to be sent next. By an index of it alone: whatever the server counted last, it may take it that all rows of a
-- batch are still planned, and go through those that were sent, by their position, to find the first that is.
CREATE INDEX entries_planned ON entries (batch, position) WHERE state = 'planned' AND in_manifest = 1;
