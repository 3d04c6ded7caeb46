-- lock_schema --
-- One at a time brings the schema up to date; $1 is made from its name.
SELECT pg_advisory_xact_lock($1)

-- schema_exists --
-- Not to_regclass(), which may answer from a cache that knows nothing of what was made while we waited for the lock.
SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'schema_version')

-- create_schema --
-- Even with IF NOT EXISTS that takes the right to create one, which who gets a schema made by others may not have.
DO $$
BEGIN
    IF to_regnamespace('{schema}') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS {schema};
    END IF;
END
$$

-- create_version --
CREATE TABLE {schema}.schema_version (version integer NOT NULL)

-- read_version --
SELECT max(version) FROM {schema}.schema_version

-- add_version --
INSERT INTO {schema}.schema_version (version) VALUES ($1)

-- clock --
SELECT extract(epoch FROM clock_timestamp())::float8

-- commit --
SELECT {schema}.commit_1(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
    $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43
)

-- commit_one --
SELECT {schema}.commit_one_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- known_runs --
-- What the writer must know of runs: where their tasks wait, too.
SELECT run_id, id, version,
    ARRAY(SELECT event_id FROM {schema}.task WHERE process = id AND NOT is_activity) AS decisions,
    ARRAY(SELECT event_id FROM {schema}.task WHERE process = id AND is_activity) AS activities
FROM {schema}.process JOIN {schema}.state USING (id)
WHERE run_id = ANY ($1::text[])

-- open_runs --
SELECT process_id, run_id FROM {schema}.process WHERE process_id = ANY ($1::text[]) AND status = 'OPEN'

-- present_messages --
SELECT id FROM {schema}.message WHERE id = ANY ($1::text[])

-- load --
-- One statement, so as of one moment. Of a run whose items are known as of the version $2: only those written since, and
-- the ids of all.
SELECT run_id, id, s.version, head,
    ARRAY(SELECT i.item FROM {schema}.item i WHERE process = id AND i.version > since ORDER BY event_id) AS items,
    CASE WHEN since >= 0 THEN ARRAY(SELECT event_id FROM {schema}.item WHERE process = id ORDER BY event_id) END AS ids
FROM unnest($1::text[], $2::int[]) asked (run_id, since)
JOIN {schema}.process USING (run_id) JOIN {schema}.state s USING (id)

-- resolve --
SELECT asked.process_id, coalesce(
    (SELECT run_id FROM {schema}.process p WHERE p.process_id = asked.process_id AND status = 'OPEN'),
    (SELECT run_id FROM {schema}.process p WHERE p.process_id = asked.process_id
     ORDER BY started_at DESC, id DESC LIMIT 1)
) AS run_id
FROM unnest($1::text[]) asked (process_id)

-- history --
-- The rows that hold the events from $2 to $3; the row with $2 may begin earlier.
SELECT events FROM {schema}.history h, (SELECT id FROM {schema}.process WHERE run_id = $1) p
WHERE h.process = p.id AND first_event_id <= $3::int AND first_event_id >= coalesce((
    SELECT max(first_event_id) FROM {schema}.history WHERE process = p.id AND first_event_id <= $2::int
), 0)
ORDER BY first_event_id

-- endings --
-- Of closed runs, the row of the history that was written last.
SELECT run_id, (SELECT events FROM {schema}.history WHERE process = id ORDER BY first_event_id DESC LIMIT 1) AS events
FROM {schema}.process WHERE run_id = ANY ($1::text[]) AND status <> 'OPEN'

-- waiting --
SELECT run_id, event_id, task_priority, scheduled_at
FROM {schema}.task JOIN {schema}.process ON process.id = task.process
WHERE is_activity = $1 AND task_list = $2
ORDER BY task_priority DESC, scheduled_at, event_id LIMIT $3

-- reserve --
SELECT * FROM {schema}.reserve_1($1, $2, $3, $4, $5)

-- due --
-- Those whose time has come since $3, one more than asked for, and in the last row the earliest of the rest.
(SELECT run_id, wake_at FROM {schema}.state JOIN {schema}.process USING (id)
 WHERE wake_at <= $1 AND wake_at > $3 ORDER BY wake_at LIMIT $2::bigint + 1)
UNION ALL
SELECT NULL, min(wake_at) FROM {schema}.state WHERE wake_at > $1

-- find --
-- Conditions are added behind WHERE.
SELECT head FROM {schema}.process JOIN {schema}.state USING (id)
WHERE {conditions} ORDER BY started_at DESC, run_id LIMIT {limit}

-- count --
SELECT count(*) FROM {schema}.process WHERE {conditions}

-- remove_closed --
-- Both rows of a run are locked before anything is deleted, and without waiting: a message that comes late to a closed
-- run locks them in the other order.
WITH old AS MATERIALIZED (
    SELECT id FROM {schema}.process JOIN {schema}.state USING (id)
    WHERE closed_at < $1 ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED
),
states AS (DELETE FROM {schema}.state s USING old WHERE s.id = old.id),
histories AS (DELETE FROM {schema}.history h USING old WHERE h.process = old.id),
items AS (DELETE FROM {schema}.item i USING old WHERE i.process = old.id),
tags AS (DELETE FROM {schema}.tag t USING old WHERE t.process = old.id)
DELETE FROM {schema}.process p USING old WHERE p.id = old.id RETURNING p.id

-- save_type --
INSERT INTO {schema}.type (kind, name, version, type) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, name, version) DO UPDATE SET type = EXCLUDED.type

-- types --
SELECT kind, type FROM {schema}.type ORDER BY kind, name, version

-- outbox --
SELECT message FROM {schema}.message WHERE sent_at < $1 ORDER BY sent_at, id LIMIT $2

-- renew_session --
-- Keep a session alive, unless its lease is as asked already; tell of the others, and the time. A lease that ran out
-- while the server was away (until $4 seconds ago) is not held against its session.
WITH renewed AS (
    INSERT INTO {schema}.session AS s (session, expires_at) VALUES ($1, $2)
    ON CONFLICT (session) DO UPDATE SET expires_at = EXCLUDED.expires_at WHERE s.expires_at <> EXCLUDED.expires_at
)
SELECT clock_timestamp() AS clock, pg_postmaster_start_time() AS up_since, session, expires_at
FROM (SELECT) one LEFT JOIN {schema}.session ON session <> $1
ORDER BY session

-- end_session --
-- Waits for the groups that are handing tasks to this session; see claim_1().
WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended($1, 0)))
DELETE FROM {schema}.session USING alone WHERE session = $1

-- held_by --
-- Looks at all open runs; that is rare. (The operators -> and #> do not mind texts that PostgreSQL could not hold.)
SELECT run_id FROM {schema}.process JOIN {schema}.state USING (id)
WHERE status = 'OPEN' AND (
    (head::json #> '{started,session}')::text = $1
    OR EXISTS (SELECT FROM {schema}.item WHERE process = id AND (item::json -> 'session')::text = $1)
)
ORDER BY id LIMIT $2

-- notify --
SELECT pg_notify($1, $2)
