"""The agent talks to `share serve`."""

import agent
import faulty
import items
import stage


def a_shared_session_stays_whole_through_its_life(on):
    """Share, prompts with tools, restart, import, share anew, unshare, share once more."""
    server = on.server()
    who = on.agent(server.url)
    shared = stage.Shared(who, server.url)
    shared.prompt()
    shared.wait_until_whole()
    who.stop()
    who.start()
    shared.prompt()
    count = shared.wait_until_whole()
    reads_back(on, shared)
    shares_anew(shared)
    who.unshare(shared.session)
    shared.wait_until_gone()
    shared.share()
    shared.wait_until_whole()
    return f"{count} items, each step"


def reads_back(on, shared):
    """Another agent, of another person, imports the share and has the same messages and parts."""
    reader = agent.Agent(on.opencode, on.folder / "reader", on.model.url, shared.server_url)
    reader.read_back(shared.url)
    on.stopping(reader)
    theirs, ours = (messages_of(who, shared.session) for who in (reader, shared.agent))
    different = items.difference(ours, theirs)
    if different:
        raise AssertionError(f"what was imported has {different}")


def messages_of(who, session):
    return {key: data for key, data in items.of_agent(who, session).items() if key.startswith(("message/", "part/"))}


def shares_anew(shared):
    """Sharing what is shared gives another id and another secret, and uploads everything again."""
    before = shared.agent.credentials(shared.session)
    shared.share()
    after = shared.agent.credentials(shared.session)
    if before["id"] == after["id"] or before["secret"] == after["secret"]:
        raise AssertionError("shared anew, the session has the same id or secret as before")
    shared.wait_until_whole()


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
    return faulted(on, faulty.REORDERED)


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
