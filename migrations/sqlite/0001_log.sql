-- The event log. The primary key is the stock one of the cqrs-es repositories: SQLite reports only a primary-key
-- violation as the conflict they look for. `position` is the one order over all streams, gapless from 1. Payload and
-- metadata are the very bytes that were written. Instants are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE events (
  aggregate_type TEXT    NOT NULL,
  aggregate_id   TEXT    NOT NULL,
  sequence       INTEGER NOT NULL CHECK (sequence > 0),
  event_type     TEXT    NOT NULL,
  event_version  TEXT    NOT NULL,
  payload        TEXT    NOT NULL,
  metadata       TEXT    NOT NULL,
  position       INTEGER NOT NULL UNIQUE CHECK (position > 0),
  recorded_at    INTEGER NOT NULL,
  wall_at        INTEGER NOT NULL,
  PRIMARY KEY (aggregate_type, aggregate_id, sequence)
) STRICT;

-- A writer that believes in facts which are not there is as wrong as one that missed some.
CREATE TRIGGER events_without_gap BEFORE INSERT ON events
WHEN NEW.sequence > 1 AND NOT EXISTS (
  SELECT 1 FROM events
   WHERE aggregate_type = NEW.aggregate_type AND aggregate_id = NEW.aggregate_id AND sequence = NEW.sequence - 1)
BEGIN
  SELECT RAISE(ABORT, 'gap in stream');
END;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'the log is append-only');
END;

CREATE TRIGGER events_never_vanish BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'the log is append-only');
END;

-- Every kind of event the log holds, so that a program that cannot read one of them says so when it starts, without
-- reading the whole log.
CREATE TABLE event_kinds (
  aggregate_type TEXT NOT NULL,
  event_type     TEXT NOT NULL,
  event_version  TEXT NOT NULL,
  PRIMARY KEY (aggregate_type, event_type, event_version)
) STRICT, WITHOUT ROWID;

-- How far each workflow has come.
CREATE TABLE checkpoints (
  name     TEXT    NOT NULL PRIMARY KEY,
  position INTEGER NOT NULL CHECK (position >= 0)
) STRICT, WITHOUT ROWID;

-- One row: when the server was last known to be alive. A row, not an event: it says nothing that lasts.
CREATE TABLE heartbeat (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  at INTEGER NOT NULL
) STRICT;

-- Which log this is, so that read models made from another one are noticed.
CREATE TABLE identity (
  id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  log_id TEXT    NOT NULL
) STRICT;
INSERT INTO identity (id, log_id) VALUES (1, lower(hex(randomblob(16))));
