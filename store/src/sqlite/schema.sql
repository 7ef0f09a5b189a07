-- Schema 1. Times are milliseconds since 1970-01-01 UTC; identifiers are UUIDs of 16 bytes; bodies are envelopes.

-- One row a conversation: the end of its log and what lists are made of. An append changes this row alone; it is small, so
-- that the rows of many share a page. `key` is small because every event repeats it.
CREATE TABLE conversation (
    key            INTEGER PRIMARY KEY,
    workspace      BLOB NOT NULL,
    id             BLOB NOT NULL,
    last_seq       INTEGER NOT NULL,
    -- What lists are made of. It wins over what `head` says of it.
    visitor        BLOB NOT NULL,
    team           BLOB NOT NULL,
    -- 1 queued, 2 assigned, 3 bot, 4 ended
    state          INTEGER NOT NULL,
    assignee       BLOB,
    created_at     INTEGER NOT NULL,
    queued_at      INTEGER NOT NULL,
    last_event_at  INTEGER NOT NULL,
    ended_at       INTEGER,
    -- Each tag with U+001F before and behind it, which no tag contains: U+001F a U+001F b U+001F.
    tags           TEXT NOT NULL,
    -- These change without an event as well.
    read_visitor   INTEGER NOT NULL,
    read_agent     INTEGER NOT NULL,
    unread_visitor INTEGER NOT NULL,
    unread_agent   INTEGER NOT NULL,
    UNIQUE (workspace, id)
) STRICT;

-- The head, which few events change beyond what is in the row above: a message does not.
CREATE TABLE head (
    conversation INTEGER PRIMARY KEY,
    body         BLOB NOT NULL
) STRICT;

-- One index a view. A message changes the second alone: what an agent holds is few and is sorted when it is read,
-- and who asks for all teams reads them one by one.
CREATE INDEX conversation_of_visitor ON conversation (workspace, visitor, created_at, id);
CREATE INDEX conversation_open ON conversation (workspace, team, last_event_at, id) WHERE state < 4;
CREATE INDEX conversation_held ON conversation (workspace, assignee) WHERE state = 2;
CREATE INDEX conversation_queue ON conversation (workspace, team, queued_at, id) WHERE state = 1;
CREATE INDEX conversation_ended ON conversation (workspace, team, ended_at, id) WHERE state = 4;
CREATE INDEX conversation_ended_last ON conversation (workspace, assignee, ended_at, id) WHERE state = 4;
-- The live index. Its rows come and go with a conversation's start and end.
CREATE INDEX conversation_live ON conversation (workspace, id) WHERE state < 4;

-- Rows lie in the order of commits, so an append writes at the end of the table, and `place` is a position in the journal.
-- A change that removes events one day must leave the last row, or a new event gets its place, which readers of the journal
-- that have been there would miss.
CREATE TABLE event (
    place        INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    body         BLOB NOT NULL,
    UNIQUE (conversation, seq)
) STRICT;

CREATE TABLE record (
    key        INTEGER PRIMARY KEY,
    workspace  BLOB NOT NULL,
    -- store::RecordKind
    kind       INTEGER NOT NULL,
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    body       BLOB NOT NULL,
    UNIQUE (workspace, kind, id)
) STRICT;

CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;

-- `realm` is the workspace, or empty for a key that reaches through the installation.
CREATE TABLE record_unique (
    kind   INTEGER NOT NULL,
    realm  BLOB NOT NULL,
    name   TEXT NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (kind, realm, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_unique_of ON record_unique (record);

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
