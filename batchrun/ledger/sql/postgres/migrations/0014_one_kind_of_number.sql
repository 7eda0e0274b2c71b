-- Whole numbers are bigint here, as everywhere else: SQLite knows but one kind.

ALTER TABLE batches ALTER COLUMN warning_count TYPE bigint;
