-- Schema 1. Times are milliseconds since 1970-01-01 UTC; identifiers are UUIDs of 16 bytes; bodies are envelopes.

-- One row a conversation: the static part of its log, and its head, so that an append changes one row. `key` is small
-- because every event repeats it.
CREATE TABLE conversation (
    key            INTEGER PRIMARY KEY,
    workspace      BLOB NOT NULL,
    id             BLOB NOT NULL,
    -- The log: who may append, and where.
    epoch          INTEGER NOT NULL,
    claim          BLOB NOT NULL,
    owner          TEXT NOT NULL,
    last_seq       INTEGER NOT NULL,
    -- What lists are made of, all of it in `head` too.
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
    -- These change without an event and win over what `head` says of them.
    read_visitor   INTEGER NOT NULL,
    read_agent     INTEGER NOT NULL,
    unread_visitor INTEGER NOT NULL,
    unread_agent   INTEGER NOT NULL,
    head           BLOB NOT NULL,
    UNIQUE (workspace, id)
) STRICT;

-- One index a view. A message changes the second alone: what an agent holds is few and is sorted when it is read,
-- and who asks for all teams reads them one by one.
CREATE INDEX conversation_of_visitor ON conversation (workspace, visitor, created_at, id);
CREATE INDEX conversation_open ON conversation (workspace, team, last_event_at, id) WHERE state < 4;
CREATE INDEX conversation_held ON conversation (workspace, assignee) WHERE state = 2;
CREATE INDEX conversation_queue ON conversation (workspace, team, queued_at, id) WHERE state = 1;
CREATE INDEX conversation_ended ON conversation (workspace, team, ended_at, id) WHERE state = 4;
CREATE INDEX conversation_ended_last ON conversation (workspace, assignee, ended_at, id) WHERE state = 4;

-- Rows lie in the order of commits, so an append writes at the end of the table; `place` never changes and may serve
-- as a cursor over all events.
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
