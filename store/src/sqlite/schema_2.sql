-- Schema 2: the live index, for the sweep. Its rows come and go with a conversation's start and end.
CREATE INDEX conversation_live ON conversation (workspace, id) WHERE state < 4;
