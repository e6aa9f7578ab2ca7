"""The driver judges a server that does lose: it must see what is lost, and must see nothing where nothing is."""

import faulty
import stage


def shared_through(on):
    """A session that is shared with the reference, a proxy in between."""
    reference = on.reference()
    way = on.faulty(reference.url)
    return way, stage.Shared(on.agent(way.url), reference.url)


def prompt_under(way, shared, fault):
    """A prompt under a fault, and one without, after which nothing is on its way any more; what the share lacks."""
    with way.faults(fault):
        shared.prompt()
        way.wait_until_sent(shared.id, shared.expected)
    shared.prompt()
    way.wait_until_sent(shared.id, shared.expected)
    return shared.difference()


def a_server_that_always_answers_loses_nothing(on):
    _, shared = shared_through(on)
    shared.prompt()
    return f"{shared.wait_until_whole()} items"


def what_was_sent_while_no_answer_came_is_seen_to_be_missing(on):
    way, shared = shared_through(on)
    messages = []
    for fault in (faulty.CUT, faulty.UNAVAILABLE):
        different = prompt_under(way, shared, fault)
        if not different.missing:
            raise AssertionError(f"with {fault.name} nothing was seen to be missing: {different}")
        messages.append(f"{fault.name}: {different}")
    # The one repair that the agent has.
    shared.share()
    return "; ".join(messages) + f"; shared again: {shared.wait_until_whole()} items"


def what_was_overtaken_is_seen_to_be_stale(on):
    way, shared = shared_through(on)
    different = prompt_under(way, shared, faulty.OVERTAKEN)
    if not different.stale or different.missing:
        raise AssertionError(f"with {faulty.OVERTAKEN.name} the share has {different}")
    return str(different)


SCENARIOS = [
    a_server_that_always_answers_loses_nothing,
    what_was_sent_while_no_answer_came_is_seen_to_be_missing,
    what_was_overtaken_is_seen_to_be_stale,
]
