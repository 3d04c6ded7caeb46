"""What moto cannot do of the backend suite, each check with the reason; the stand-in does all of it.

The defects are listed in swf-reference 10.2, the actions that are missing in 10.1.
"""

from __future__ import annotations

from aioworkflow.testing.conformance.backend import Feature
from tests.backends.swf.swf_harness import LACKS

__all__ = ["MOTO_LACKS"]

_GAPS = {
    "an error 500 for every signal without input": """
        a_signal_needs_neither_input_nor_run_id requests_to_a_process_that_is_not_open_are_refused
        terminating_closes_at_once nobody_gets_the_tasks_of_a_terminated_process a_later_decision_task_tells_what_is_new
        a_decider_may_ask_for_new_events_only events_after_the_start_come_with_the_next_task
        the_execution_context_is_kept tokens_of_tasks_cannot_be_made_up an_activity_id_is_unique_among_the_open_ones
        activities_of_a_closed_process_are_dead a_canceled_timer_does_not_fire a_timer_id_is_unique_among_the_open_ones
        what_is_no_news_does_not_block_the_end news_blocks_the_end nothing_happens_after_the_end
        one_decision_task_is_out_at_a_time a_task_that_waits_already_stays_where_it_is a_history_is_read_in_order
        waiting_tasks_survive a_closed_backend_says_so""",
    "surplus decision tasks, one for each signal": """
        signals_keep_their_order requests_at_once_are_all_kept a_decision_task_is_scheduled_while_another_is_out""",
    "its time cannot be moved, and tests do not sleep": """
        info_without_a_run_id_is_of_the_open_or_the_latest_run a_timer_fires a_timer_of_zero_gives_another_turn
        timers_fire_in_their_order a_decision_that_takes_too_long_times_out a_task_that_timed_out_is_no_previous_task
        a_waiting_task_is_enough_after_a_timeout an_activity_that_was_taken_in_time_may_take_its_time
        a_worker_that_does_not_heartbeat_is_missed each_heartbeat_gives_more_time a_heartbeat_without_details_tells_none
        a_handed_off_activity_times_out_too timeouts_of_zero_expire_at_once a_process_that_is_open_too_long_times_out
        processes_are_found_by_what_they_are processes_are_found_by_time listings_come_in_pages
        what_was_acknowledged_is_there_after_reopening timers_and_timeouts_survive""",
    "no timeouts of activities but that of heartbeats": """
        an_activity_that_nobody_takes_times_out an_activity_that_takes_too_long_times_out
        start_to_close_begins_with_the_start an_activity_has_a_time_in_all the_earliest_timeout_wins""",
    "no way to have no limit: NONE is an error 500 from then on": "without_timeouts_nothing_times_out",
    "no RequestCancelWorkflowExecution": """
        a_request_to_cancel_is_told_to_the_decider each_request_to_cancel_is_an_event
        a_request_to_cancel_cancels_nothing_by_itself a_recorded_trace_of_amazon_is_followed""",
    "no cancellation of activities": """
        a_started_activity_is_asked_to_stop a_worker_need_not_stop a_waiting_activity_is_canceled_at_once
        the_latest_request_to_stop_counts canceling_an_unknown_activity_fails a_request_to_stop_stops_no_clock
        each_decision_succeeds_or_fails_alone a_failed_decision_blocks_the_end_behind_it""",
    "no RespondActivityTaskCanceled": "an_aborted_activity_may_tell_a_reason an_activity_is_answered_once",
    "no ContinueAsNewWorkflowExecution": """
        news_blocks_continuing_as_new a_run_is_continued_by_another a_new_run_inherits_nothing
        a_new_run_may_have_another_version a_run_is_not_continued_by_an_unknown_version
        a_run_is_not_continued_without_a_default the_old_run_is_closed_and_the_id_taken
        the_parent_of_a_continued_child_waits_for_the_last_run""",
    "no children": """
        a_child_is_started_with_all_its_settings a_child_takes_the_defaults_of_its_workflow
        a_parent_is_told_how_its_child_ends a_parent_is_told_of_a_child_that_was_closed open_children_are_counted
        a_child_with_the_id_of_an_open_process_fails a_child_of_an_unknown_workflow_fails
        a_child_without_a_default_fails
        the_end_of_a_child_after_its_parent_changes_nothing what_is_open_does_not_block_the_end children_are_terminated
        children_are_asked_to_end children_are_abandoned a_termination_applies_the_policy_it_names
        policies_go_on_to_grandchildren a_parent_that_closes_itself_leaves_its_children""",
    "no signals and requests from one process to another": """
        a_process_signals_another a_signal_may_name_the_run a_signal_to_nobody_fails a_process_may_signal_itself
        a_process_asks_another_to_end a_request_to_nobody_fails a_parent_cancels_its_child
        many_messages_arrive_once_each""",
    "no task list that a decider asks for": """
        a_decider_may_ask_for_another_task_list a_sticky_task_may_be_taken_in_time
        a_sticky_task_that_is_not_taken_goes_back a_sticky_decider_that_dies_loses_the_override""",
    "no counts": "limits_of_a_start_are_kept of_many_starts_at_once_one_counts",
    "an error 500 for lists by a workflow of any version": "listings_tell_what_info_tells",
    "no tags, priorities and resolved defaults in events and descriptions": """
        start_takes_what_the_request_says start_takes_the_defaults_of_the_type versions_are_different_types
        info_tells_what_was_started an_activity_is_scheduled_with_all_its_settings""",
    "events of one transaction with several timestamps": """
        a_signal_is_told_to_the_decider decisions_are_applied_in_order a_process_completes_fails_or_is_canceled""",
    "CancelTimerFailed without the id of the timer": "canceling_an_unknown_timer_fails",
}

MOTO_LACKS: dict[Feature | str, str] = {
    **LACKS,
    Feature.SMALL_LIMITS: "it has no limits",
    Feature.PRIORITIES: "it passes over priorities",
    **{name: f"moto has {reason}" for reason, names in _GAPS.items() for name in names.split()},
}
"""What the backend cannot be seen doing on moto."""
