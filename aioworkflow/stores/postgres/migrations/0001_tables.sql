-- {schema} stands for the name of the schema. Times are epoch microseconds where people ask for them (started_at,
-- closed_at) and epoch seconds where the machine does. Everything compares as in C: ids are no words of any language.

CREATE SEQUENCE {schema}.process_id;

-- One row for each run: what listings ask for. It is written when the run starts and when it closes.
CREATE TABLE {schema}.process (
    id bigint PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL,
    process_id text COLLATE "C" NOT NULL,
    workflow text COLLATE "C" NOT NULL,
    workflow_version text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    closed_at bigint
);
CREATE UNIQUE INDEX process_run ON {schema}.process (run_id);
CREATE UNIQUE INDEX process_open ON {schema}.process (process_id) WHERE status = 'OPEN';
CREATE INDEX process_runs ON {schema}.process (process_id, started_at);
CREATE INDEX process_started ON {schema}.process (started_at);
CREATE INDEX process_workflow ON {schema}.process (workflow, started_at);
CREATE INDEX process_status ON {schema}.process (status, started_at);
CREATE INDEX process_closed ON {schema}.process (closed_at) WHERE closed_at IS NOT NULL;

-- What changes with every write of a run: its version and its head, as JSON. Half of each page is left free, so that
-- new versions of a row find room beside the old ones and no index is touched (a "heap-only" update).
CREATE TABLE {schema}.state (
    id bigint PRIMARY KEY,
    version integer NOT NULL,
    wake_at double precision,
    head text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX state_wake ON {schema}.state (wake_at) WHERE wake_at IS NOT NULL;

-- Open activities, timers, children and requests as JSON, by the event that opened them.
CREATE TABLE {schema}.item (
    process bigint NOT NULL,
    event_id integer NOT NULL,
    -- That of the run when this was written.
    version integer NOT NULL,
    item text NOT NULL,
    PRIMARY KEY (process, event_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.2);

-- The tasks that wait in lists; a row goes when its task is started or closed. What a session is about to claim is
-- reserved for it until a time, which no index knows of.
CREATE TABLE {schema}.task (
    process bigint NOT NULL,
    event_id integer NOT NULL,
    is_activity boolean NOT NULL,
    task_list text COLLATE "C" NOT NULL,
    task_priority integer NOT NULL,
    scheduled_at double precision NOT NULL,
    reserved_until double precision NOT NULL DEFAULT 0,
    reserved_by text COLLATE "C",
    PRIMARY KEY (process, event_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX task_order ON {schema}.task (is_activity, task_list, task_priority DESC, scheduled_at, event_id);

-- History: one row for the events of one write, a JSON array.
CREATE TABLE {schema}.history (
    process bigint NOT NULL,
    first_event_id integer NOT NULL,
    events text NOT NULL,
    PRIMARY KEY (process, first_event_id)
);

CREATE TABLE {schema}.tag (
    tag text COLLATE "C" NOT NULL,
    process bigint NOT NULL,
    PRIMARY KEY (tag, process)
);
CREATE INDEX tag_process ON {schema}.tag (process);

-- The outbox: messages from one process to another that are still to be delivered.
CREATE TABLE {schema}.message (
    id text COLLATE "C" PRIMARY KEY,
    sent_at double precision NOT NULL,
    message text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX message_sent ON {schema}.message (sent_at, id);

CREATE TABLE {schema}.type (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    type text NOT NULL,
    PRIMARY KEY (kind, name, version)
);

-- Backends that use this database.
CREATE TABLE {schema}.session (
    session text COLLATE "C" PRIMARY KEY,
    expires_at double precision NOT NULL
) WITH (fillfactor = 50);
