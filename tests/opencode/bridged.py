"""The agent talks to `share bridge`, and the bridge to `share serve`, which is away, killed or far: the share ends whole."""

import agent
import life
import stage
import waiting

KILLS = 10
KILLED_PROMPT = "work 2"
BRIDGE_KILLS = 3
STEP_SECONDS = 60
LATE_SECONDS = 3.5


def absent_server(on):
    """A server that was there once, so that it has a factory, and is not now; and a bridge that never saw it."""
    server = on.server()
    server.stop()
    return server, on.bridge(server, server.url)


def a_shared_session_stays_whole_through_its_life(on):
    server = on.server()
    bridge = on.bridge(server)
    return life.play(on, bridge.url, server.url)


def a_server_that_was_away_the_whole_time_costs_nothing(on):
    """The share is made and filled, and the agent restarted, without a server; unshared without one, too."""
    server, bridge = absent_server(on)
    way = on.faulty(bridge.url)
    who = on.agent(way.url)
    shared = stage.Shared(who, server.url)
    shared.prompt()
    way.wait_until_sent(shared.id, shared.expected)
    who.stop()
    who.start()
    shared.prompt()
    way.wait_until_sent(shared.id, shared.expected)
    way.expect_none_failed()
    server.start()
    count = shared.wait_until_whole()
    server.stop()
    who.unshare(shared.session)
    server.start()
    shared.wait_until_gone()
    return f"{count} items; the unshare was honoured"


def a_bridge_that_is_killed_between_prompts_keeps_what_it_took(on):
    server, bridge = absent_server(on)
    way = on.faulty(bridge.url)
    shared = stage.Shared(on.agent(way.url), server.url)
    for _ in range(BRIDGE_KILLS):
        shared.prompt()
        way.wait_until_sent(shared.id, shared.expected)
        with way.held():
            bridge.kill()
            bridge.start()
    way.expect_none_failed()
    server.start()
    return f"{shared.wait_until_whole()} items, {BRIDGE_KILLS} kills of the bridge"


def a_server_that_is_killed_ten_times_costs_nothing(on):
    """Each time in the middle of a prompt, at its first or at its second step."""
    server = on.server()
    shared = stage.Shared(on.agent(on.bridge(server).url), server.url)
    for kill in range(KILLS):
        step = on.model.requests + 1 + kill % 2
        shared.agent.begin_prompt(shared.session, KILLED_PROMPT)
        waiting.until(lambda step=step: on.model.requests >= step, STEP_SECONDS, "next step of the agent")
        server.kill()
        server.start()
        shared.agent.wait_until_idle(shared.session)
    return f"{shared.wait_until_whole()} items, {KILLS} kills of the server"


def a_server_that_answers_late_costs_nothing(on):
    link = on.link(LATE_SECONDS)
    server = on.server(advertised_port=link.port)
    link.target = server.port
    shared = stage.Shared(on.agent(on.bridge(server, server.url).url), server.url)
    shared.prompt()
    shared.prompt()
    count = shared.wait_until_whole()
    if not link.delayed:
        raise AssertionError("the late link carried no answer")
    return f"{count} items, {link.delayed} answers {LATE_SECONDS} s late"


def a_session_shared_before_the_bridge_stood_there_is_taken_over_whole(on):
    """Its old share's id is unknown to the bridge; sharing it anew uploads all of its past."""
    server = on.server()
    who = on.agent(server.url)
    shared = stage.Shared(who, server.url)
    shared.prompt()
    shared.wait_until_whole()
    who.stop()
    who.settings = agent.config(on.model.url, on.bridge(server).url)
    who.start()
    shared.prompt()
    shared.share()
    return f"{shared.wait_until_whole()} items"


SCENARIOS = [
    a_shared_session_stays_whole_through_its_life,
    a_server_that_was_away_the_whole_time_costs_nothing,
    a_bridge_that_is_killed_between_prompts_keeps_what_it_took,
    a_server_that_is_killed_ten_times_costs_nothing,
    a_server_that_answers_late_costs_nothing,
    a_session_shared_before_the_bridge_stood_there_is_taken_over_whole,
]
