-- Replies may hold what is shown once, such as a robot's credential: they are kept sealed under a key that only whoever has the
-- Idempotency-Key can make, and that key itself is not kept. Replies of the day before this change are forgotten.
DROP TABLE idempotency;
CREATE TABLE idempotency (
  who        TEXT    NOT NULL,
  -- What is derived from the caller's key to find it again.
  name       TEXT    NOT NULL,
  -- What is derived from the caller's key and the request, to know another request with the same key.
  request    TEXT    NOT NULL,
  -- Null while the request is being carried out, and so for ever if the process died meanwhile.
  reply      BLOB,
  claimed_at INTEGER NOT NULL,
  PRIMARY KEY (who, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (claimed_at);
CREATE INDEX idempotency_of_one_by_age ON idempotency (who, claimed_at);
