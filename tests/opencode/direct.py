"""The agent talks to `share serve`."""

import faulty
import life
import stage


def a_shared_session_stays_whole_through_its_life(on):
    server = on.server()
    return life.play(on, server.url, server.url)


def faulted(on, fault):
    """Two prompts under a fault between agent and server: nothing is missing or stale at the end."""
    server = on.server()
    way = on.faulty(server.url)
    shared = stage.Shared(on.agent(way.url), server.url)
    with way.faults(fault):
        shared.prompt()
        shared.prompt()
        count = shared.wait_until_whole()
    return f"{count} items, {way.struck} requests struck, {way.in_flight_max} under way at once"


def late_answers_lose_nothing(on):
    return faulted(on, faulty.LATE)


def an_older_item_that_arrives_late_replaces_no_newer_one(on):
    return faulted(on, faulty.OVERTAKEN)


def lost_answers_lose_nothing(on):
    return faulted(on, faulty.SYNC_ANSWER_LOST)


def an_unshare_whose_answer_was_lost_can_be_said_again(on):
    server = on.server()
    way = on.faulty(server.url)
    shared = stage.Shared(on.agent(way.url), server.url)
    shared.wait_until_whole()
    with way.faults(faulty.DELETE_ANSWER_LOST):
        status, _ = shared.agent.call("DELETE", f"/session/{shared.session}/share")
        shared.wait_until_gone()
    if status < 300:
        raise AssertionError(f"the agent answered {status}, although no answer came")
    shared.agent.unshare(shared.session)
    return "the second time it is done"


SCENARIOS = [
    a_shared_session_stays_whole_through_its_life,
    late_answers_lose_nothing,
    an_older_item_that_arrives_late_replaces_no_newer_one,
    lost_answers_lose_nothing,
    an_unshare_whose_answer_was_lost_can_be_said_again,
]
