-- begin --
-- Take the write lock at once, so that nothing that is read under it can change.
BEGIN IMMEDIATE

-- begin_read --
-- Read several things as of one moment.
BEGIN DEFERRED

-- data_version --
-- Another number than before: some other connection has committed.
PRAGMA data_version

-- next_id --
SELECT coalesce(max(id), 0) + 1 FROM process

-- known_runs --
-- What the writer must know of runs, by run id.
SELECT run_id, id, version, task_list, task_priority, scheduled_at, scheduled_event_id
FROM process JOIN state USING (id)
WHERE run_id IN (SELECT value FROM json_each(?))

-- open_runs --
-- Named, since SQLite would rather go through all open runs by the index on status.
SELECT process_id, run_id FROM process INDEXED BY process_open
WHERE process_id IN (SELECT value FROM json_each(?)) AND status = 'OPEN'

-- present_messages --
SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?))

-- insert_process --
INSERT INTO process (
    id, started_at, closed_at, wake_at, task_list, task_priority, scheduled_at, scheduled_event_id,
    status, run_id, process_id, workflow_version, workflow
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- insert_tag --
INSERT OR IGNORE INTO tag (process, tag) VALUES (?, ?)

-- update_queue --
UPDATE process SET task_list = ?, task_priority = ?, scheduled_at = ?, scheduled_event_id = ? WHERE id = ?

-- update_wake --
UPDATE process SET wake_at = ? WHERE id = ?

-- update_status --
UPDATE process SET status = ?, closed_at = ? WHERE id = ?

-- save_state --
REPLACE INTO state (id, version, head) VALUES (?, ?, ?)

-- insert_history --
INSERT INTO history (process, first_event_id, events) VALUES (?, ?, ?)

-- save_item --
REPLACE INTO item (process, event_id, task_list, task_priority, scheduled_at, item) VALUES (?, ?, ?, ?, ?, ?)

-- delete_item --
DELETE FROM item WHERE process = ? AND event_id = ?

-- insert_message --
INSERT OR IGNORE INTO message (id, sent_at, message) VALUES (?, ?, ?)

-- delete_message --
DELETE FROM message WHERE id = ?

-- load --
-- The runs and, in rows without a version, their items: one statement, so as of one moment.
SELECT process.run_id, id, version, head, task_list, task_priority, scheduled_at, scheduled_event_id
FROM process JOIN state USING (id)
WHERE run_id IN (SELECT value FROM json_each(:run_ids))
UNION ALL
SELECT process.run_id, event_id, NULL, item, NULL, NULL, NULL, NULL
FROM process JOIN item ON item.process = process.id
WHERE run_id IN (SELECT value FROM json_each(:run_ids))

-- resolve --
SELECT value, coalesce(
    (SELECT run_id FROM process WHERE process_id = value AND status = 'OPEN'),
    (SELECT run_id FROM process WHERE process_id = value ORDER BY started_at DESC, id DESC LIMIT 1)
) FROM json_each(?)

-- history --
-- The rows that hold the events from :first to :last; the row with :first may begin earlier.
SELECT events FROM history
WHERE process = (SELECT id FROM process WHERE run_id = :run_id)
  AND first_event_id BETWEEN coalesce((
      SELECT max(first_event_id) FROM history
      WHERE process = (SELECT id FROM process WHERE run_id = :run_id) AND first_event_id <= :first
  ), 0) AND :last
ORDER BY first_event_id

-- endings --
-- Of closed runs, the row of the history that was written last.
SELECT run_id, (SELECT events FROM history WHERE history.process = process.id ORDER BY first_event_id DESC LIMIT 1)
FROM process WHERE run_id IN (SELECT value FROM json_each(?)) AND status <> 'OPEN'

-- waiting_decisions --
SELECT run_id, scheduled_event_id, task_priority, scheduled_at FROM process
WHERE task_list = ?
ORDER BY task_priority DESC, scheduled_at, scheduled_event_id LIMIT ?

-- waiting_activities --
SELECT run_id, event_id, item.task_priority, item.scheduled_at
FROM item JOIN process ON process.id = item.process
WHERE item.task_list = ?
ORDER BY item.task_priority DESC, item.scheduled_at, event_id LIMIT ?

-- due --
-- Those whose time has come, one more than asked for, and in the last row the earliest of the rest.
SELECT * FROM (SELECT run_id, wake_at FROM process WHERE wake_at <= :now ORDER BY wake_at LIMIT :limit + 1)
UNION ALL
SELECT NULL, min(wake_at) FROM process WHERE wake_at > :now

-- find --
-- Conditions are added behind WHERE.
SELECT head FROM process JOIN state USING (id) WHERE {conditions} ORDER BY started_at DESC, run_id LIMIT ?

-- count --
SELECT count(*) FROM process WHERE {conditions}

-- closed_before --
SELECT id, run_id FROM process WHERE closed_at < ? ORDER BY closed_at LIMIT ?

-- remove_process --
DELETE FROM process WHERE id IN (SELECT value FROM json_each(?))

-- remove_state --
DELETE FROM state WHERE id IN (SELECT value FROM json_each(?))

-- remove_history --
DELETE FROM history WHERE process IN (SELECT value FROM json_each(?))

-- remove_items --
DELETE FROM item WHERE process IN (SELECT value FROM json_each(?))

-- remove_tags --
DELETE FROM tag WHERE process IN (SELECT value FROM json_each(?))

-- save_type --
REPLACE INTO type (kind, name, version, type) VALUES (?, ?, ?, ?)

-- types --
SELECT kind, type FROM type ORDER BY kind, name, version

-- outbox --
SELECT message FROM message WHERE sent_at < ? ORDER BY sent_at, id LIMIT ?

-- lease --
SELECT expires_at FROM session WHERE session = ?

-- renew_session --
-- One that was put on record as dead has no lock any more, and is made anew.
UPDATE session SET expires_at = ? WHERE session = ? AND expires_at > 0

-- insert_session --
INSERT OR REPLACE INTO session (session, expires_at, locked) VALUES (?, ?, ?)

-- record_session --
INSERT OR IGNORE INTO session (session, expires_at, locked) VALUES (?, 0, 0)

-- other_sessions --
SELECT session, expires_at, locked FROM session WHERE session <> ? ORDER BY session

-- end_session --
DELETE FROM session WHERE session = ?

-- held_by --
SELECT run_id FROM process JOIN state USING (id)
WHERE status = 'OPEN' AND (
    json_extract(head, '$.started.session') = :session
    OR EXISTS (
        SELECT 1 FROM item WHERE process = process.id AND json_extract(item, '$.session') = :session
    )
)
ORDER BY id LIMIT :limit
