"""The agent talks to `share bridge`, and the bridge to `share serve`, which is away, killed or slow."""

import stage
import waiting

KILLS = 10
LATE_SECONDS = 3.5
# One prompt for some kills each, with time for the agent's own timer between two.
KILL_SECONDS = 60


def a_server_that_was_away_the_whole_time_costs_nothing(on):
    """The share is made, filled, and filled again after a restart of the agent, while there is no server."""
    server = on.server()
    bridge = on.bridge(server)
    server.stop()
    who = on.agent(bridge.url)
    shared = stage.Shared(who, server.url)
    shared.prompt()
    way_settled(on, bridge, shared)
    server.start()
    count = shared.wait_until_whole()
    server.stop()
    who.unshare(shared.session)
    server.start()
    shared.wait_until_gone()
    return f"{count} items; the unshare that was said without a server is honoured"


SCENARIOS = []
