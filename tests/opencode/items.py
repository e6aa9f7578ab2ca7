"""What a share must hold, from the agent's own account, and what a share lacks of it."""

import dataclasses

import web


@dataclasses.dataclass
class Difference:
    """Identities of items: absent from the share, there with other contents, and there alone."""

    missing: list
    stale: list
    extra: list

    def __bool__(self):
        return bool(self.missing or self.stale or self.extra)

    def __str__(self):
        def few(of):
            return f"{len(of)} ({', '.join(of[:4])}{', …' if len(of) > 4 else ''})" if of else "0"

        return f"{few(self.missing)} missing, {few(self.stale)} stale, {few(self.extra)} extra"


def identity(item):
    """What an item is, whatever it holds."""
    kind, data = item["type"], item["data"]
    if kind == "message":
        return f"message/{data['id']}"
    if kind == "part":
        return f"part/{data['messageID']}/{data['id']}"
    return kind


def model_identity(model):
    return f"model/{model['providerID']}/{model['id']}"


def by_identity(sent):
    """The items' data by identity, each model by its own."""
    found = {}
    for item in sent:
        if item["type"] == "model":
            pairs = [(model_identity(model), model) for model in item["data"]]
        else:
            pairs = [(identity(item), item["data"])]
        for key, data in pairs:
            if key in found:
                raise AssertionError(f"the share holds {key} twice")
            found[key] = data
    return found


def is_finished(key, data):
    """Whether the agent is done with a message or a part; of anything else nobody can say, so it is."""
    time = data.get("time", {}) if key.startswith(("message/", "part/")) else {}
    if key.startswith("message/"):
        return data["role"] == "user" or "completed" in time
    if key.startswith("part/") and data["type"] == "tool":
        return data["state"]["status"] in ("completed", "error")
    return "start" not in time or "end" in time


def of_agent(agent, session):
    """All that the agent has of a session, by identity."""
    messages = agent.done("GET", f"/session/{session}/message")
    found = {
        "session": agent.done("GET", f"/session/{session}"),
        "session_diff": agent.done("GET", f"/session/{session}/diff"),
    }
    providers = agent.done("GET", "/config/providers")["providers"]
    models = {(provider["id"], name): model for provider in providers for name, model in provider["models"].items()}
    for message in messages:
        info = message["info"]
        found[f"message/{info['id']}"] = info
        found.update({f"part/{part['messageID']}/{part['id']}": part for part in message["parts"]})
        if info["role"] == "user":
            used = models[info["model"]["providerID"], info["model"]["modelID"]]
            found[model_identity(used)] = used
    return found


def of_share(base, share):
    """All that a server gives out of a share, by identity; `None` where it knows no such share."""
    status, sent = web.call("GET", f"{base}/api/share/{share}/data")
    if status == 404:
        return None
    if status != 200:
        raise AssertionError(f"the data of a share is answered with {status}: {sent}")
    return by_identity(sent)


def difference(expected, actual):
    return Difference(
        missing=sorted(expected.keys() - actual.keys()),
        stale=sorted(key for key in expected.keys() & actual.keys() if expected[key] != actual[key]),
        extra=sorted(actual.keys() - expected.keys()),
    )


def share_of(url):
    """The share's id in its URL."""
    return url.rsplit("/share/", 1)[1]
