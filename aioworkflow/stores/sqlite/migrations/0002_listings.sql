-- Listings by workflow and by status, latest start first.
CREATE INDEX process_workflow ON process (workflow, started_at);
CREATE INDEX process_status ON process (status, started_at);
