-- One call saves a group: one round trip, one transaction, one statement for each kind of row. The guard is the caller's
-- (stores/guard.py); what it has relied on is checked here again, and if anything differs nothing is saved: the function
-- returns NULL where it has written nothing yet, else it raises serialization_failure, and the caller looks anew.
--
-- Rows are given as columns. A run is named by its id or, where it is new, by its number in this group, negated: -1 is
-- the first. Every caller locks rows in the same order: runs by id, then messages, then new runs by process id.
--
-- Functions are never replaced: a later version of the schema adds others, and older workers go on using these.
--
-- Plans are made once, and for few rows in large tables, whatever the statistics say of tables that are often empty.

-- Tasks are handed to a session. Who ends it waits for this, and then sees what it holds; if it was ended already, it is
-- put on record again, as one that is dead. (To lock its row would be to write it.)
CREATE FUNCTION {schema}.claim_1(p_session text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(p_session, 0));
    PERFORM FROM {schema}.session WHERE session = p_session;
    IF NOT FOUND THEN
        INSERT INTO {schema}.session (session, expires_at) VALUES (p_session, '-Infinity') ON CONFLICT DO NOTHING;
    END IF;
END
$$;

CREATE FUNCTION {schema}.commit_1(
    p_checked_ids bigint[], p_checked_versions integer[],
    p_ids bigint[], p_versions integer[], p_heads text[], p_wakes boolean[], p_wake_ats double precision[],
    p_closed_ids bigint[], p_closed_statuses text[], p_closed_ats bigint[],
    p_received text[],
    p_new_run_ids text[], p_new_process_ids text[], p_new_workflows text[], p_new_workflow_versions text[],
    p_new_statuses text[], p_new_started_ats bigint[], p_new_closed_ats bigint[],
    p_new_heads text[], p_new_wake_ats double precision[],
    p_tag_runs bigint[], p_tags text[],
    p_gone_item_ids bigint[], p_gone_item_events integer[],
    p_item_runs bigint[], p_item_events integer[], p_item_versions integer[], p_items text[],
    p_gone_task_ids bigint[], p_gone_task_events integer[],
    p_task_runs bigint[], p_task_events integer[], p_task_activities boolean[], p_task_lists text[],
    p_task_priorities integer[], p_task_ats double precision[],
    p_history_runs bigint[], p_history_firsts integer[], p_history_events text[],
    p_sent_ids text[], p_sent_ats double precision[], p_sent_messages text[],
    p_claimer text
) RETURNS bigint[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_new bigint[] := '{}';
    v_count bigint;
BEGIN
    IF p_checked_ids <> '{}' THEN
        SELECT count(*) INTO v_count
        FROM unnest(p_checked_ids, p_checked_versions) c (id, version) JOIN {schema}.state s USING (id, version);
        IF v_count <> cardinality(p_checked_ids) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF p_new_run_ids <> '{}' THEN
        PERFORM FROM {schema}.process
        WHERE process_id = ANY (p_new_process_ids) AND status = 'OPEN' AND id <> ALL (p_closed_ids);
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;

    IF p_ids <> '{}' THEN
        UPDATE {schema}.state s
        SET version = w.version + 1, head = w.head, wake_at = CASE WHEN w.wakes THEN w.wake_at ELSE s.wake_at END
        FROM unnest(p_ids, p_versions, p_heads, p_wakes, p_wake_ats) w (id, version, head, wakes, wake_at)
        WHERE s.id = w.id AND s.version = w.version;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        IF v_count = 0 THEN
            RETURN NULL;
        END IF;
        IF v_count <> cardinality(p_ids) THEN
            RAISE serialization_failure USING MESSAGE = 'another session was faster';
        END IF;
    END IF;
    IF p_received <> '{}' THEN
        DELETE FROM {schema}.message m USING unnest(p_received) r (id) WHERE m.id = r.id;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        IF v_count <> cardinality(p_received) THEN
            RAISE serialization_failure USING MESSAGE = 'another session has received the message';
        END IF;
    END IF;
    IF p_closed_ids <> '{}' THEN
        UPDATE {schema}.process p SET status = c.status, closed_at = c.closed_at
        FROM unnest(p_closed_ids, p_closed_statuses, p_closed_ats) c (id, status, closed_at)
        WHERE p.id = c.id;
    END IF;
    IF p_new_run_ids <> '{}' THEN
        v_new := ARRAY(SELECT nextval('{schema}.process_id') FROM generate_series(1, cardinality(p_new_run_ids)));
        INSERT INTO {schema}.process (id, run_id, process_id, workflow, workflow_version, status, started_at, closed_at)
        SELECT n.* FROM unnest(
            v_new, p_new_run_ids, p_new_process_ids, p_new_workflows, p_new_workflow_versions,
            p_new_statuses, p_new_started_ats, p_new_closed_ats
        ) n (id, run_id, process_id, workflow, workflow_version, status, started_at, closed_at)
        ORDER BY n.process_id COLLATE "C", n.id;
        INSERT INTO {schema}.state (id, version, head, wake_at)
        SELECT n.id, 1, n.head, n.wake_at FROM unnest(v_new, p_new_heads, p_new_wake_ats) n (id, head, wake_at);
    END IF;
    IF p_tags <> '{}' THEN
        INSERT INTO {schema}.tag (process, tag)
        SELECT CASE WHEN t.run < 0 THEN v_new[-t.run] ELSE t.run END, t.tag FROM unnest(p_tag_runs, p_tags) t (run, tag)
        ON CONFLICT DO NOTHING;
    END IF;
    IF p_gone_item_ids <> '{}' THEN
        DELETE FROM {schema}.item i USING unnest(p_gone_item_ids, p_gone_item_events) g (id, event_id)
        WHERE i.process = g.id AND i.event_id = g.event_id;
    END IF;
    IF p_item_runs <> '{}' THEN
        INSERT INTO {schema}.item (process, event_id, version, item)
        SELECT CASE WHEN i.run < 0 THEN v_new[-i.run] ELSE i.run END, i.event_id, i.version, i.item
        FROM unnest(p_item_runs, p_item_events, p_item_versions, p_items) i (run, event_id, version, item)
        ON CONFLICT (process, event_id) DO UPDATE SET version = EXCLUDED.version, item = EXCLUDED.item;
    END IF;
    IF p_gone_task_ids <> '{}' THEN
        DELETE FROM {schema}.task t USING unnest(p_gone_task_ids, p_gone_task_events) g (id, event_id)
        WHERE t.process = g.id AND t.event_id = g.event_id;
    END IF;
    IF p_task_runs <> '{}' THEN
        INSERT INTO {schema}.task (process, event_id, is_activity, task_list, task_priority, scheduled_at)
        SELECT CASE WHEN t.run < 0 THEN v_new[-t.run] ELSE t.run END, t.event_id, t.is_activity, t.task_list, t.priority, t.at
        FROM unnest(
            p_task_runs, p_task_events, p_task_activities, p_task_lists, p_task_priorities, p_task_ats
        ) t (run, event_id, is_activity, task_list, priority, at);
    END IF;
    IF p_history_runs <> '{}' THEN
        INSERT INTO {schema}.history (process, first_event_id, events)
        SELECT CASE WHEN h.run < 0 THEN v_new[-h.run] ELSE h.run END, h.first_event_id, h.events
        FROM unnest(p_history_runs, p_history_firsts, p_history_events) h (run, first_event_id, events);
    END IF;
    IF p_sent_ids <> '{}' THEN
        INSERT INTO {schema}.message (id, sent_at, message)
        SELECT m.* FROM unnest(p_sent_ids, p_sent_ats, p_sent_messages) m (id, sent_at, message)
        ON CONFLICT DO NOTHING;
    END IF;
    IF p_claimer IS NOT NULL THEN
        PERFORM {schema}.claim_1(p_claimer);
    END IF;
    RETURN v_new;
END
$$;

-- The same for a group of one open run that was there before, of which no task waits before or after: what most groups are
-- where little goes on at once. It takes a third of the time.
CREATE FUNCTION {schema}.commit_one_1(
    p_id bigint, p_version integer, p_head text, p_wakes boolean, p_wake_at double precision,
    p_gone_item integer, p_item integer, p_item_text text, p_history_first integer, p_history_events text,
    p_claimer text
) RETURNS bigint[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    UPDATE {schema}.state
    SET version = version + 1, head = p_head, wake_at = CASE WHEN p_wakes THEN p_wake_at ELSE wake_at END
    WHERE id = p_id AND version = p_version;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF p_gone_item IS NOT NULL THEN
        DELETE FROM {schema}.item WHERE process = p_id AND event_id = p_gone_item;
    END IF;
    IF p_item IS NOT NULL THEN
        INSERT INTO {schema}.item (process, event_id, version, item) VALUES (p_id, p_item, p_version + 1, p_item_text)
        ON CONFLICT (process, event_id) DO UPDATE SET version = EXCLUDED.version, item = EXCLUDED.item;
    END IF;
    IF p_history_first IS NOT NULL THEN
        INSERT INTO {schema}.history (process, first_event_id, events)
        VALUES (p_id, p_history_first, p_history_events);
    END IF;
    IF p_claimer IS NOT NULL THEN
        PERFORM {schema}.claim_1(p_claimer);
    END IF;
    RETURN '{}';
END
$$;

-- Reserve the first tasks of a list that nobody else has reserved, for some seconds. That need not be durable.
CREATE FUNCTION {schema}.reserve_1(
    p_is_activity boolean, p_task_list text, p_limit bigint, p_session text, p_seconds double precision
) RETURNS TABLE (run_id text, event_id integer, task_priority integer, scheduled_at double precision) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_now double precision := extract(epoch FROM clock_timestamp());
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
    WITH first AS MATERIALIZED (
        SELECT process, event_id FROM {schema}.task
        WHERE is_activity = p_is_activity AND task_list = p_task_list
          AND (reserved_until <= v_now OR reserved_by = p_session)
        ORDER BY task_priority DESC, scheduled_at, event_id LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ), reserved AS (
        UPDATE {schema}.task t SET reserved_until = v_now + p_seconds, reserved_by = p_session
        FROM first WHERE t.process = first.process AND t.event_id = first.event_id
        RETURNING t.process, t.event_id, t.task_priority, t.scheduled_at
    )
    SELECT p.run_id, r.event_id, r.task_priority, r.scheduled_at
    FROM reserved r JOIN {schema}.process p ON p.id = r.process
    ORDER BY r.task_priority DESC, r.scheduled_at, r.event_id;
END
$$;
