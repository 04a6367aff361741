-- The read models: a file of their own, made anew from the log whenever this text or the program's folds change, so there
-- are no migrations. `row` is the whole row as JSON; the columns beside it are what queries look for. Instants are
-- microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE about (
  id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  -- The log the rows were made from, and the program that made them.
  log_id   TEXT    NOT NULL,
  made_by  TEXT    NOT NULL,
  -- The last event that is in the rows.
  position INTEGER NOT NULL
) STRICT;

CREATE TABLE calendar (
  key        TEXT    NOT NULL PRIMARY KEY,
  row        TEXT    NOT NULL,
  account_id TEXT    NOT NULL,
  room_id    TEXT    NOT NULL,
  robot_id   TEXT,
  starts_at  INTEGER NOT NULL,
  ends_at    INTEGER NOT NULL,
  is_live    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX calendar_room ON calendar (room_id);
CREATE INDEX calendar_window ON calendar (ends_at, starts_at);
CREATE INDEX calendar_live ON calendar (is_live, ends_at) WHERE is_live = 1;

-- Who takes part in which booking: its holder and its guests.
CREATE TABLE calendar_links (
  link TEXT NOT NULL,
  key  TEXT NOT NULL,
  PRIMARY KEY (link, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX calendar_links_key ON calendar_links (key);

CREATE TABLE fleet (
  key     TEXT    NOT NULL PRIMARY KEY,
  row     TEXT    NOT NULL,
  slug    TEXT    NOT NULL,
  retired INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX fleet_slug ON fleet (slug, retired);

CREATE TABLE sessions (
  key        TEXT    NOT NULL PRIMARY KEY,
  row        TEXT    NOT NULL,
  booking_id TEXT,
  robot_id   TEXT    NOT NULL,
  opened_at  INTEGER NOT NULL,
  -- It is not closed, or the end of one of its peers is not recorded.
  is_unsettled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_opened ON sessions (opened_at);
CREATE INDEX sessions_unsettled ON sessions (is_unsettled) WHERE is_unsettled = 1;

CREATE TABLE timeline (
  key TEXT NOT NULL PRIMARY KEY,
  row TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
  key  TEXT NOT NULL PRIMARY KEY,
  row  TEXT NOT NULL,
  role TEXT NOT NULL
) STRICT, WITHOUT ROWID;
