-- Replies to requests that came with an Idempotency-Key, for a client that asks again because it did not hear the first.
-- `status` is null while the request is being carried out, and stays so if the process died meanwhile.
CREATE TABLE idempotency (
  who            TEXT    NOT NULL,
  key            TEXT    NOT NULL,
  request_sha256 TEXT    NOT NULL,
  status         INTEGER,
  location       TEXT,
  body           TEXT,
  claimed_at     INTEGER NOT NULL,
  PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (claimed_at);
