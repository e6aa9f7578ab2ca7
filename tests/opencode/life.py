"""A shared session's whole life, wherever the agent sends it."""

import agent
import items
import stage


def play(on, face_url, server_url):
    """Share, prompts with tools, restart, import, share anew, unshare, share once more; the share is whole at each step."""
    who = on.agent(face_url)
    shared = stage.Shared(who, server_url)
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
    return f"{count} items at each step"


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
