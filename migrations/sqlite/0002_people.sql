-- What can be erased: personal data and secrets stand beside the log, never in it.
CREATE TABLE people (
  account_id    TEXT    NOT NULL PRIMARY KEY,
  name          TEXT    NOT NULL,
  email         TEXT    NOT NULL UNIQUE,
  password_hash TEXT    NOT NULL,
  created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The free text of reasons, by the salted hash that the log holds.
CREATE TABLE reasons (
  hash TEXT NOT NULL PRIMARY KEY,
  text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys and salts this server made for itself.
CREATE TABLE secrets (
  name  TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Links that work once: only the hash of the token is kept.
CREATE TABLE one_time_links (
  hash       TEXT    NOT NULL PRIMARY KEY,
  purpose    TEXT    NOT NULL,
  account_id TEXT,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
