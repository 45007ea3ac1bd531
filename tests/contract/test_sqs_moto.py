"""moto's SQS, held to the same contract: a second opinion on what the suite claims."""

from typing import ClassVar

import pytest

from tests.contract.sqs_suite import SqsContract

NO_MOVE_TASKS = "moto has no message move tasks"


class TestMotoSqs(SqsContract):
    LACKS: ClassVar = {
        "test_unknown_attributes_are_refused": "moto takes attributes of any name",
        "test_attributes_out_of_bounds_are_refused": "moto takes values beyond AWS' bounds",
        "test_what_xml_cannot_say_is_refused": "moto takes any character",
        "test_a_long_poll_ends_when_a_message_comes": "this host answers one call at a time",
        "test_an_older_handle_deletes_nothing": "moto deletes by any handle it gave",
        "test_a_visible_message_is_not_in_flight": "moto hides visible messages too",
        "test_a_dead_letter_says_where_it_came_from": "moto does not keep the source",
        "test_dead_letters_are_moved_back": NO_MOVE_TASKS,
        "test_dead_letters_are_moved_elsewhere": NO_MOVE_TASKS,
        "test_one_move_at_a_time_and_it_can_be_cancelled": NO_MOVE_TASKS,
        "test_only_dead_letter_queues_are_moved": NO_MOVE_TASKS,
    }

    @pytest.fixture
    def endpoint_url(self, moto_endpoint):
        return moto_endpoint

    def test_the_table_names_cases_that_exist(self):
        assert all(hasattr(SqsContract, case) for case in self.LACKS)
