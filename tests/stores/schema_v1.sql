-- A database with schema version 1, as that version wrote it.
PRAGMA application_id = 1635214897;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    process INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    events TEXT NOT NULL
);
INSERT INTO "history" VALUES(1,1,1,'[{"type":"MarkerRecorded","event_id":1,"timestamp":"2023-11-14T22:13:21Z","marker":"m","decision_completed_event_id":0},{"type":"DecisionScheduled","event_id":2,"timestamp":"2023-11-14T22:13:22Z","task_list":"deciders"},{"type":"ActivityScheduled","event_id":3,"timestamp":"2023-11-14T22:13:23Z","activity_id":"activity-3","activity":["Foo","2"],"input_json":"{\"text\":\"ü \\u0000 \\\"[1]\\\"\"}","task_list":"workers","decision_completed_event_id":2}]');
INSERT INTO "history" VALUES(2,1,4,'[{"type":"MarkerRecorded","event_id":4,"timestamp":"2023-11-14T22:13:24Z","marker":"m","decision_completed_event_id":0},{"type":"DecisionScheduled","event_id":5,"timestamp":"2023-11-14T22:13:25Z","task_list":"deciders"}]');
INSERT INTO "history" VALUES(3,2,1,'[{"type":"MarkerRecorded","event_id":1,"timestamp":"2023-11-14T22:13:21Z","marker":"m","decision_completed_event_id":0},{"type":"DecisionScheduled","event_id":2,"timestamp":"2023-11-14T22:13:22Z","task_list":"deciders"}]');
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
INSERT INTO "item" VALUES(1,4,'workers',0,1700000000.0,'{"kind":"activity","event_id":4,"activity_id":"activity-4","activity":["Foo","1"],"task_list":"workers","scheduled_at":1700000000.0}');
CREATE TABLE message (
    id TEXT PRIMARY KEY,
    sent_at REAL NOT NULL,
    message TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "message" VALUES('message-1',1700000000.0,'{"id":"message-1","to":["process of run-2",""],"sent_at":1700000000.0,"body":{"type":"child-closed","initiated_event_id":5,"child":["process of run-1","run-1"],"status":"FAILED","reason":"no \"luck\""}}');
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
INSERT INTO "process" VALUES(1,'run-1','process of run-1','Bar','1','OPEN',1700000000000000,NULL,1700000010.0,'deciders',0,1700000000.0,5);
INSERT INTO "process" VALUES(2,'run-2','process of run-2','Foo','2','FAILED',1700000000000000,1700000060000000,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE session (
    session TEXT PRIMARY KEY,
    expires_at REAL NOT NULL,
    locked INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "session" VALUES('session-1',1700000030.0,1);
CREATE TABLE state (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    head TEXT NOT NULL
);
INSERT INTO "state" VALUES(1,2,'{"process_id":"process of run-1","run_id":"run-1","workflow":["Bar","1"],"task_list":"deciders","child_policy":"TERMINATE","started_at":1700000000.0,"tags":["vip"],"last_event_id":5,"queued":{"scheduled_event_id":5,"task_list":"deciders","scheduled_at":1700000000.0}}');
INSERT INTO "state" VALUES(2,1,'{"process_id":"process of run-2","run_id":"run-2","workflow":["Foo","2"],"task_list":"deciders","child_policy":"TERMINATE","started_at":1700000000.0,"status":"FAILED","closed_at":1700000060.0}');
CREATE TABLE tag (
    tag TEXT NOT NULL,
    process INTEGER NOT NULL,
    PRIMARY KEY (tag, process)
) WITHOUT ROWID;
INSERT INTO "tag" VALUES('vip',1);
CREATE TABLE type (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (kind, name, version)
) WITHOUT ROWID;
INSERT INTO "type" VALUES('activity','Foo','1','{"ref":["Foo","1"]}');
CREATE UNIQUE INDEX process_run ON process (run_id);
CREATE UNIQUE INDEX process_open ON process (process_id) WHERE status = 'OPEN';
CREATE INDEX process_runs ON process (process_id, started_at);
CREATE INDEX process_started ON process (started_at);
CREATE INDEX process_wake ON process (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX process_waiting ON process (task_list, task_priority DESC, scheduled_at, scheduled_event_id)
    WHERE task_list IS NOT NULL;
CREATE INDEX item_waiting ON item (task_list, task_priority DESC, scheduled_at, event_id)
    WHERE task_list IS NOT NULL;
CREATE UNIQUE INDEX history_events ON history (process, first_event_id);
COMMIT;
