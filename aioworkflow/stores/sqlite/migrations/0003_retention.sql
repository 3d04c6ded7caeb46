-- What closed long ago is found, and all that belongs to it.
CREATE INDEX process_closed ON process (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX tag_process ON tag (process);
