-- One row for each run: what queries and queues ask for. Times are epoch microseconds where people ask for them
-- (started_at, closed_at) and epoch seconds where the machine does (wake_at, scheduled_at).
CREATE TABLE process (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    process_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    workflow_version TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    closed_at INTEGER,
    wake_at REAL,
    -- The decision task that waits, if one does.
    task_list TEXT,
    task_priority INTEGER,
    scheduled_at REAL,
    scheduled_event_id INTEGER
);
CREATE UNIQUE INDEX process_run ON process (run_id);
CREATE UNIQUE INDEX process_open ON process (process_id) WHERE status = 'OPEN';
CREATE INDEX process_runs ON process (process_id, started_at);
CREATE INDEX process_started ON process (started_at);
CREATE INDEX process_wake ON process (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX process_waiting ON process (task_list, task_priority DESC, scheduled_at, scheduled_event_id)
    WHERE task_list IS NOT NULL;

-- The head of each run as JSON. Apart from `process`, since it changes with every write and nothing there does.
CREATE TABLE state (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    head TEXT NOT NULL
);

-- Open activities, timers, children and requests as JSON, by the event that opened them.
CREATE TABLE item (
    process INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    -- The list in which an activity task waits, if it does.
    task_list TEXT,
    task_priority INTEGER,
    scheduled_at REAL,
    item TEXT NOT NULL,
    PRIMARY KEY (process, event_id)
) WITHOUT ROWID;
CREATE INDEX item_waiting ON item (task_list, task_priority DESC, scheduled_at, event_id)
    WHERE task_list IS NOT NULL;

-- History: one row for the events of one write, a JSON array. Rows lie in the order in which they were written, which
-- touches far fewer pages than the order of the runs would.
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    process INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    events TEXT NOT NULL
);
CREATE UNIQUE INDEX history_events ON history (process, first_event_id);

CREATE TABLE tag (
    tag TEXT NOT NULL,
    process INTEGER NOT NULL,
    PRIMARY KEY (tag, process)
) WITHOUT ROWID;

-- The outbox: messages from one process to another that are still to be delivered.
CREATE TABLE message (
    id TEXT PRIMARY KEY,
    sent_at REAL NOT NULL,
    message TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE type (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (kind, name, version)
) WITHOUT ROWID;

-- Backends that use this database. `locked` tells that the owner holds a lock file while it lives.
CREATE TABLE session (
    session TEXT PRIMARY KEY,
    expires_at REAL NOT NULL,
    locked INTEGER NOT NULL
) WITHOUT ROWID;
