-- Schema 3: series. The feed needs no table: it is the order of `event`.
CREATE TABLE entry (
    place     INTEGER PRIMARY KEY,
    workspace BLOB NOT NULL,
    -- store::SeriesKind
    kind      INTEGER NOT NULL,
    -- Nil when it is about the whole workspace.
    subject   BLOB NOT NULL,
    at        INTEGER NOT NULL,
    id        BLOB NOT NULL,
    body      BLOB NOT NULL,
    UNIQUE (workspace, kind, subject, at, id)
) STRICT;

CREATE INDEX entry_age ON entry (kind, at);
