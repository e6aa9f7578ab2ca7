"""A client of share sessions that has nothing but schema/: it drives a real server and checks every answer.

    pip install pycapnp        (docs/HACKING.md names the version)
    python tests/interop/run.py --share PATH_TO_SHARE_BINARY

Starts `share serve` on a free port with a data folder of its own, and ends it again: once without TLS, once with, by the pin of its
own certificate. Every wait has a bound.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import traceback

import capnp

import pinned
import vectors

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "schema"
# Where pycapnp keeps the standard `/capnp/stream.capnp`, which `-> stream` refers to.
STANDARD = pathlib.Path(capnp.__file__).resolve().parents[1]

capnp.remove_import_hook()
share = capnp.load(str(SCHEMA / "share.capnp"), imports=[str(STANDARD)])
op_schema = capnp.load(str(SCHEMA / "op.capnp"), imports=[str(STANDARD)])

ANSWER_SECONDS = 10
START_SECONDS = 30
STOP_SECONDS = 30
ALL_SECONDS = 180

CLIENT = "interop 1"
ORIGIN = {"kind": "agent", "id": "interop"}
NO_CHAIN = bytes(32)


async def answer(awaitable):
    """What comes back, within the bound."""
    return await asyncio.wait_for(awaitable, ANSWER_SECONDS)


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, expected {expected!r}")


def is_refused(outcome, *codes):
    """The refusal in `outcome`, with its code as text."""
    equal(str(outcome.which()), "refused", "the outcome")
    refusal = outcome.refused
    if str(refusal.code) not in codes:
        raise AssertionError(f"refused with {refusal.code} ({refusal.message}), expected {codes}")
    if not refusal.message:
        raise AssertionError(f"the refusal {refusal.code} has no message")
    return str(refusal.code), refusal.message


def member(outcome, name):
    """The member of the union `outcome` that is set, which must be `name`."""
    which = str(outcome.which())
    if which == "refused":
        refusal = outcome.refused
        raise AssertionError(f"refused with {refusal.code} ({refusal.message}), expected {name}")
    equal(which, name, "the outcome")
    return getattr(outcome, name)


class Server:
    """`share serve`, and the way to reach it."""

    def __init__(self, binary, data, *options):
        command = [binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--no-http", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.log = []
        threading.Thread(target=self._read_log, daemon=True).start()
        self.data = pathlib.Path(data)

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace"))

    def wait_until_ready(self):
        lines = []
        reader = threading.Thread(target=lambda: lines.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(START_SECONDS)
        line = lines[0].decode() if lines else ""
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not found:
            raise AssertionError(f"the server said {line!r}, expected its address; its log: {self.log}")
        self.port = int(found[1])
        # What it says further is read, so that it never waits for a reader.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def factory_ref(self):
        text = (self.data / "factory.ref").read_text().strip()
        found = re.fullmatch(r"share-factory://([^/]+)/([0-9a-f]{32})(?:\?pin=([0-9a-f]{64}))?#([A-Za-z0-9_-]{43})", text)
        if not found:
            raise AssertionError("factory.ref is not of the form that the schema gives")
        secret = base64.urlsafe_b64decode(found[4] + "=")
        pin = bytes.fromhex(found[3] or "")
        return {"addresses": found[1].split(","), "grant": bytes.fromhex(found[2]), "pin": pin, "secret": secret}

    def stop(self):
        """Ends the server; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise AssertionError(f"the server did not end within {STOP_SECONDS} s of SIGTERM") from None


class Lane:
    """What a client keeps of an outbox: key, seqs, fingerprints and chain."""

    def __init__(self):
        self.key = secrets.token_bytes(32)
        self.id = vectors.outbox_id(self.key)
        self.seq = 0
        self.chain = NO_CHAIN
        self.incarnation = 0
        self.history = b""

    def op(self, mutation, depends_on=()):
        """Enqueues a mutation: its entry, and the dependency that names it."""
        self.seq += 1
        op = {"id": secrets.token_hex(16), "dependsOn": list(depends_on), "mutation": mutation}
        of = vectors.fingerprint(self.id, op)
        self.chain = vectors.then(self.chain, of)
        ((name, fields),) = mutation.items()
        sent = {
            "id": bytes.fromhex(op["id"]),
            "dependsOn": [
                {"seq": int(on["seq"]), "fingerprint": bytes.fromhex(on["fingerprint"])} for on in depends_on
            ],
            "mutation": {name: fields["key"] if name == "remove" else fields},
        }
        dependency = {"outboxId": "", "seq": str(self.seq), "fingerprint": of.hex()}
        return {"seq": self.seq, "op": sent}, dependency

    def claim(self, session):
        return session.claimWriter(
            outboxKey=self.key,
            incarnation=self.incarnation,
            nonce=secrets.token_bytes(16),
            history=self.history,
        )

    def claimed(self, outcome):
        """Takes in the answer to a claim."""
        claimed = member(outcome, "claimed")
        self.incarnation = claimed.incarnation
        self.history = claimed.history
        return claimed


def batch(entries, atomic=False):
    return op_schema.Batch.new_message(id=secrets.token_bytes(16), atomic=atomic, entries=entries)


def outcomes(ack):
    """What became of each entry: kind, and cursor where there is one."""
    each = []
    for run in ack.outcomes:
        kind = str(run.which())
        for further in range(run.count):
            cursor = getattr(run, kind) + further if kind in ("applied", "duplicate") else None
            each.append((kind, cursor))
    return each


class Reader(share.Sink.Server):
    """Collects what a subscription brings."""

    def __init__(self):
        self.cursors = []
        self.texts = []
        self.resets = 0
        self.live_at = None
        self.refusal = None
        self.changed = asyncio.Condition()

    async def told(self):
        async with self.changed:
            self.changed.notify_all()

    async def reset(self, at, lagged, _context, **_):
        self.resets += 1
        await self.told()

    async def entries(self, entries, done, _context, **_):
        await self.told()

    async def ops(self, ops, _context, **_):
        for logged in ops:
            self.cursors.append(logged.cursor)
            self.texts.append(str(logged.op.mutation.which()))
        await self.told()

    async def live(self, position, _context, **_):
        self.live_at = position.cursor
        await self.told()

    async def ended(self, refusal, _context, **_):
        self.refusal = str(refusal.code)
        await self.told()

    async def until(self, holds, what):
        async def wait():
            async with self.changed:
                await self.changed.wait_for(lambda: holds(self))

        try:
            await asyncio.wait_for(wait(), ANSWER_SECONDS)
        except asyncio.TimeoutError:
            seen = f"cursors {self.cursors}, live at {self.live_at}, ended with {self.refusal}"
            raise AssertionError(f"no {what} within {ANSWER_SECONDS} s: {seen}") from None


class Scenario:
    """The steps, in order; each stands on those before it."""

    def __init__(self, server):
        self.server = server
        self.secret = secrets.token_bytes(32)
        self.lane = Lane()
        self.connections = []

    async def connect(self):
        """The bootstrap capability of a new connection; with TLS if the server's refs have a pin."""
        pin = self.server.factory_ref()["pin"]
        # The name is for nobody: a pin asks for none.
        tls = {"ssl": pinned.context(pin), "server_hostname": "share.invalid"} if pin else {}
        stream = await answer(capnp.AsyncIoStream.create_connection("127.0.0.1", self.server.port, **tls))
        client = capnp.TwoPartyClient(stream)
        self.connections.append(client)
        return client.bootstrap().cast_as(share.Bootstrap)

    def redeem(self, bootstrap, ref):
        return bootstrap.redeemShare(ref=ref, protocolVersion=share.protocolVersion, client=CLIENT)

    def ref(self, **changes):
        owner = {"share": self.share, "grant": self.grant, "epoch": 1, "secret": self.secret}
        return owner | changes

    async def test_vectors_are_as_the_rules_give_them(self):
        count, wrong = vectors.differences()
        equal(wrong, [], "vectors that the rules contradict")
        if not count:
            raise AssertionError("there are no vectors")

    async def test_the_same_request_creates_the_same_share(self):
        bootstrap = await self.connect()
        ref = self.server.factory_ref()
        promise = bootstrap.redeemFactory(ref=ref, protocolVersion=share.protocolVersion, client=CLIENT)
        request = {
            "request": secrets.token_bytes(16),
            "ownerSecretHash": hashlib.sha256(self.secret).digest(),
            "title": "interop \u00df\u65e5",
            "origin": ORIGIN,
        }
        first = promise.factory.createShare(request=request)
        results = await answer(promise)
        redeemed = member(results.outcome, "redeemed")
        if not redeemed.addresses:
            raise AssertionError("the factory names no address for refs")
        equal((redeemed.pin, str(redeemed.tls)), (ref["pin"], "byAddress"), "what refs say of TLS")
        first = member((await answer(first)).outcome, "created")
        factory = results.factory
        again = member((await answer(factory.createShare(request=request))).outcome, "created")
        equal((again.share, again.grant, again.epoch), (first.share, first.grant, 1), "the repeated answer")
        other = request | {"ownerSecretHash": hashlib.sha256(b"other").digest()}
        is_refused((await answer(factory.createShare(request=other))).outcome, "invalidRequest")
        self.share, self.grant = first.share, first.grant

    async def test_with_tls_another_certificate_than_the_pinned_one_is_refused_and_why_is_said(self):
        pin = self.server.factory_ref()["pin"]
        wrong = hashlib.sha256(b"another certificate").digest()
        tls = {"ssl": pinned.context(wrong), "server_hostname": "share.invalid"}
        try:
            await answer(capnp.AsyncIoStream.create_connection("127.0.0.1", self.server.port, **tls))
        except pinned.WrongPin as refused:
            equal(str(refused.args[0]), f"the server's certificate is {pin.hex()}, the ref pins {wrong.hex()}", "why")
        else:
            raise AssertionError("a server with another certificate was taken")

    async def test_with_tls_a_client_that_begins_without_is_told_so(self):
        stream = await answer(capnp.AsyncIoStream.create_connection("127.0.0.1", self.server.port))
        client = capnp.TwoPartyClient(stream)
        bootstrap = client.bootstrap().cast_as(share.Bootstrap)
        try:
            await answer(self.redeem(bootstrap, self.ref()))
        except capnp.KjException as told:
            if "this server speaks TLS here" not in told.description:
                raise AssertionError(f"told {told.description!r}") from None
        else:
            raise AssertionError("a server with TLS answered without")

    async def test_a_wrong_factory_secret_is_not_authorized(self):
        bootstrap = await self.connect()
        ref = self.server.factory_ref() | {"secret": secrets.token_bytes(32)}
        promise = bootstrap.redeemFactory(ref=ref, protocolVersion=share.protocolVersion, client=CLIENT)
        is_refused((await answer(promise)).outcome, "notAuthorized")

    async def test_a_wrong_secret_gives_one_refusal_also_to_what_is_pipelined(self):
        bootstrap = await self.connect()
        redeem = self.redeem(bootstrap, self.ref(secret=secrets.token_bytes(32)))
        lane = Lane()
        claim = lane.claim(redeem.session)
        entry, _ = lane.op({"put": {"key": "k", "json": "1"}})
        append = claim.appender.appendOps(batch=batch([entry]), envelope={})
        refused = is_refused((await answer(redeem)).outcome, "notAuthorized")
        equal(is_refused((await answer(claim)).outcome, "notAuthorized"), refused, "the claim's refusal")
        equal(is_refused((await answer(append)).outcome, "notAuthorized"), refused, "the append's refusal")
        unknown = self.redeem(bootstrap, self.ref(share=secrets.token_bytes(16)))
        equal(is_refused((await answer(unknown)).outcome, "notAuthorized"), refused, "an unknown share's refusal")

    async def test_a_malformed_ref_gives_the_refusal_of_an_unknown_one(self):
        bootstrap = await self.connect()
        unknown = self.redeem(bootstrap, self.ref(grant=secrets.token_bytes(16)))
        unknown = is_refused((await answer(unknown)).outcome, "notAuthorized")
        for field, value in (("grant", self.grant[:15]), ("share", self.share[:15]), ("secret", self.secret[:31])):
            redeem = self.redeem(bootstrap, self.ref(**{field: value}))
            equal(is_refused((await answer(redeem)).outcome, "notAuthorized"), unknown, f"a short {field}'s refusal")

    async def test_redeem_claim_and_append_pass_in_one_round_trip(self):
        bootstrap = await self.connect()
        put, first = self.lane.op({"put": {"key": "part/m/p", "json": '{"text":"a","list":[]}'}})
        text, _ = self.lane.op({"appendText": {"key": "part/m/p", "pointer": "/text", "text": "b\u00df"}}, [first])
        item, _ = self.lane.op({"appendItem": {"key": "part/m/p", "pointer": "/list", "json": "1.50"}}, [first])
        self.batch = batch([put, text, item])
        redeem = self.redeem(bootstrap, self.ref())
        claim = self.lane.claim(redeem.session)
        append = claim.appender.appendOps(batch=self.batch, envelope={"capabilityEpoch": 0, "settledThrough": 0})
        redeem = await answer(redeem)
        redeemed = member(redeem.outcome, "redeemed")
        equal(redeemed.share, self.share, "the share")
        equal((redeemed.epoch, redeemed.cursor), (1, 0), "epoch and cursor")
        rights = redeemed.rights
        equal((rights.read, rights.append, rights.admin), (True, True, True), "the owner's rights")
        equal(redeemed.title, "interop \u00df\u65e5", "the title")
        equal((str(redeemed.origin.kind), redeemed.origin.id), ("agent", "interop"), "the origin")
        equal(redeemed.limits.batchOpsMax, share.batchOpsMax, "limits.batchOpsMax")
        equal(redeemed.limits.window, share.window, "limits.window")
        equal(redeemed.protocolVersion, share.protocolVersion, "the protocol version")
        claim = await answer(claim)
        claimed = self.lane.claimed(claim.outcome)
        equal(claimed.incarnation, 1, "the incarnation")
        equal((claimed.floor, claimed.highest, claimed.chain), (0, 0, NO_CHAIN), "floor, highest and chain")
        equal(claimed.history, redeemed.history, "the history")
        ack = member((await answer(append)).outcome, "ack")
        equal(outcomes(ack), [("applied", 1), ("applied", 2), ("applied", 3)], "the outcomes")
        equal((ack.cursor, ack.epoch), (3, 1), "cursor and epoch")
        self.session, self.appender = redeem.session, claim.appender

    async def test_the_same_batch_again_is_all_duplicates_with_the_same_cursors(self):
        again = await answer(self.appender.appendOps(batch=self.batch, envelope={"capabilityEpoch": 1}))
        ack = member(again.outcome, "ack")
        equal(outcomes(ack), [("duplicate", 1), ("duplicate", 2), ("duplicate", 3)], "the outcomes")
        equal(ack.cursor, 3, "the cursor")

    async def test_a_new_connection_finds_the_lane_with_the_chain_that_the_client_computes(self):
        redeem = self.redeem(await self.connect(), self.ref())
        claim = self.lane.claim(redeem.session)
        append = claim.appender.appendOps(batch=self.batch, envelope={})
        redeem = await answer(redeem)
        member(redeem.outcome, "redeemed")
        old, (claim, append) = self.appender, (await answer(claim), await answer(append))
        claimed = self.lane.claimed(claim.outcome)
        equal((claimed.incarnation, claimed.highest), (2, 3), "incarnation and highest")
        equal(claimed.chain, self.lane.chain, "the chain")
        duplicates = [("duplicate", 1), ("duplicate", 2), ("duplicate", 3)]
        equal(outcomes(member(append.outcome, "ack")), duplicates, "the outcomes")
        fenced = await answer(old.appendOps(batch=self.batch, envelope={}))
        is_refused(fenced.outcome, "writerFenced")
        self.session, self.appender = redeem.session, claim.appender

    async def test_what_does_not_fit_the_document_is_rejected_by_its_rule(self):
        absent, _ = self.lane.op({"remove": {"key": "absent"}})
        broken, _ = self.lane.op({"put": {"key": "k", "json": "{"}})
        put, _ = self.lane.op({"put": {"key": "session", "json": '{"title":"t"}'}})
        sent = self.appender.appendOps(batch=batch([absent, broken, put]), envelope={"settledThrough": 3})
        ack = member((await answer(sent)).outcome, "ack")
        equal(outcomes(ack), [("rejected", None), ("rejected", None), ("applied", 4)], "the outcomes")
        rules = [str(run.rejected.invalidMutation.rule) for run in ack.outcomes if str(run.which()) == "rejected"]
        equal(rules, ["keyAbsent", "notJson"], "the rules")

    async def test_a_gap_is_refused_with_the_seq_that_is_expected_and_ends_the_appender(self):
        gap = {"seq": self.lane.seq + 2, "op": {"id": secrets.token_bytes(16), "mutation": {"remove": "k"}}}
        refused = (await answer(self.appender.appendOps(batch=batch([gap]), envelope={}))).outcome
        words = is_refused(refused, "outOfOrder")
        equal(refused.refused.detail.expected, self.lane.seq + 1, "detail.expected")
        behind = await answer(self.appender.appendOps(batch=self.batch, envelope={}))
        equal(is_refused(behind.outcome, "outOfOrder"), words, "the refusal of what comes behind")
        claim = await answer(self.lane.claim(self.session))
        claimed = self.lane.claimed(claim.outcome)
        equal((claimed.highest, claimed.chain), (self.lane.seq, self.lane.chain), "highest and chain")
        self.appender = claim.appender

    async def test_a_subscriber_sees_every_op_and_later_ones(self):
        self.reader = Reader()
        subscribe = await answer(self.session.subscribe(share.LogPosition.new_message(), self.reader))
        equal(member(subscribe.outcome, "subscribed").cursor, 4, "the position at the beginning")
        self.subscription = subscribe.subscription
        await self.reader.until(lambda reader: reader.live_at is not None, "`live`")
        equal(self.reader.cursors, [1, 2, 3, 4], "the cursors")
        equal(self.reader.texts, ["put", "appendText", "appendItem", "put"], "the mutations")
        equal((self.reader.live_at, self.reader.resets), (4, 0), "position of `live`, resets")
        merge, _ = self.lane.op({"merge": {"key": "session", "json": '{"title":null,"n":1e400}'}})
        sent = await answer(self.appender.appendOps(batch=batch([merge], atomic=True), envelope={}))
        equal(outcomes(member(sent.outcome, "ack")), [("applied", 5)], "the outcome")
        await self.reader.until(lambda reader: len(reader.cursors) > 4, "later op")
        equal(self.reader.cursors, [1, 2, 3, 4, 5], "the cursors")

    async def test_the_document_read_in_pages_is_what_the_ops_make(self):
        document = await answer(self.session.document())
        at = member(document.outcome, "at")
        equal((at.position.cursor, at.keys, at.epoch), (5, 2, 1), "cursor, keys and epoch")
        found, after, done = {}, "", False
        while not done:
            # One byte: a page holds one entry, however large.
            page = await answer(document.snapshot.read(after=after, bytesMax=1))
            equal(len(page.entries), 1, "entries of a page")
            after, done = page.entries[0].key, page.done
            found[after] = page.entries[0].json
        expected = {"part/m/p": '{"text":"ab\u00df","list":[1.50]}', "session": '{"n":1e400}'}
        # As text, so that no number is rounded by who compares.
        exact = {"parse_float": str, "parse_int": str}
        parsed = {key: json.loads(text, **exact) for key, text in found.items()}
        should = {key: json.loads(text, **exact) for key, text in expected.items()}
        parsed["session"]["n"] = parsed["session"]["n"].replace("+", "").lower()
        equal(parsed, should, "the document")

    async def test_writers_are_told_by_number_and_origin(self):
        writers = member((await answer(self.session.writers())).outcome, "writers")
        told = [(writer.number, str(writer.origin.kind), writer.origin.id, writer.highest) for writer in writers]
        equal(told, [(1, "agent", "interop", self.lane.seq)], "the writers")

    async def test_a_session_is_saved_and_restored_after_its_connection_was_dropped(self):
        session = self.redeem(await self.connect(), self.ref()).session
        saved = (await answer(session.save())).sturdyRef
        saved = saved.as_struct(share.ShareRef) if hasattr(saved, "as_struct") else saved
        if saved.grant == self.grant or not saved.addresses:
            raise AssertionError("the saved ref is no grant of its own, or has no address")
        fields = {"share": saved.share, "grant": saved.grant, "epoch": saved.epoch, "secret": saved.secret}
        del session, saved
        self.connections.pop().close()
        results = await answer(self.redeem(await self.connect(), fields))
        redeemed = member(results.outcome, "redeemed")
        equal((redeemed.share, redeemed.cursor), (self.share, 5), "share and cursor")
        equal((redeemed.grant, redeemed.owner), (fields["grant"], False), "whose it is")
        member((await answer(results.session.document())).outcome, "at")
        self.saved = fields

    async def test_a_grant_is_made_again_by_its_request_and_ends_when_it_is_revoked(self):
        new = secrets.token_bytes(32)
        request = {
            "request": secrets.token_bytes(16),
            "secretHash": hashlib.sha256(new).digest(),
            "rights": {"read": True},
            "label": "reader",
            "origin": ORIGIN,
        }
        minted = member((await answer(self.session.attenuate(request=request))).outcome, "minted")
        again = member((await answer(self.session.attenuate(request=request))).outcome, "minted")
        equal(again.grant, minted.grant, "the repeated answer")
        fields = {"share": self.share, "grant": minted.grant, "epoch": minted.epoch, "secret": new}
        child = self.redeem(await self.connect(), fields).session
        is_refused((await answer(Lane().claim(child))).outcome, "rightMissing")
        is_refused((await answer(child.attenuate(request=request))).outcome, "rightMissing")
        reader = Reader()
        held = child.subscribe(sink=reader)
        await reader.until(lambda reader: reader.live_at == 5, "`live`")
        cut = await answer(self.session.revokeCapability(grant=minted.grant, origin=ORIGIN))
        cut = member(cut.outcome, "ended")
        equal((cut.grants, cut.sessions, cut.viewers), (1, 1, 1), "what was cut")
        equal([(served.grant, served.cursor) for served in cut.served], [(minted.grant, 5)], "how far it was served")
        await reader.until(lambda reader: reader.refusal == "revoked", "`ended`")
        is_refused((await answer(child.document())).outcome, "revoked")
        is_refused((await answer(self.redeem(await self.connect(), fields))).outcome, "revoked")
        grants = member((await answer(self.session.grants())).outcome, "grants")
        revoked = {grant.id: grant.revokedAt != 0 for grant in grants}
        equal(revoked, {self.grant: False, self.saved["grant"]: False, minted.grant: True}, "the grants")
        entries = member((await answer(self.session.audit())).outcome, "entries")
        about = [entry for entry in entries if entry.grant == minted.grant]
        counts = {}
        for entry in about:
            name = str(entry.event) + (f" {entry.refusal}" if str(entry.event) == "refused" else "")
            counts[name] = counts.get(name, 0) + entry.count
        expected = {"granted": 1, "redeemed": 1, "revoked": 1, "refused rightMissing": 2, "refused revoked": 2}
        equal(counts, expected, "the audit of the grant")
        del held

    async def test_a_bumped_epoch_ends_every_session_and_ref_before_it(self):
        new = secrets.token_bytes(32)
        request = {
            "request": secrets.token_bytes(16),
            "ownerSecretHash": hashlib.sha256(new).digest(),
            "origin": ORIGIN,
        }
        bumped = member((await answer(self.session.bumpEpoch(request=request))).outcome, "bumped")
        equal(bumped.epoch, 2, "the epoch")
        again = member((await answer(self.session.bumpEpoch(request=request))).outcome, "bumped")
        equal((again.epoch, again.grant), (2, bumped.grant), "the repeated answer")
        equal((bumped.cut.grants, again.cut.grants), (2, 0), "the grants that each ended")
        ended = ("staleEpoch", "revoked")
        is_refused((await answer(self.session.document())).outcome, *ended)
        is_refused((await answer(self.lane.claim(self.session))).outcome, *ended)
        entry, _ = self.lane.op({"put": {"key": "late", "json": "1"}})
        is_refused((await answer(self.appender.appendOps(batch=batch([entry]), envelope={}))).outcome, *ended)
        await self.reader.until(lambda reader: reader.refusal in ended, "`ended`")
        bootstrap = await self.connect()
        is_refused((await answer(self.redeem(bootstrap, self.ref()))).outcome, "staleEpoch")
        is_refused((await answer(self.redeem(bootstrap, self.saved))).outcome, "staleEpoch")
        owner = self.redeem(bootstrap, self.ref(grant=bumped.grant, epoch=2, secret=new))
        redeemed = member((await answer(owner)).outcome, "redeemed")
        equal((redeemed.epoch, redeemed.cursor), (2, 5), "epoch and cursor")

    async def test_the_server_drains_and_ends_when_it_is_told_to(self):
        equal(await asyncio.to_thread(self.server.stop), 0, "the exit code")


async def run(server):
    """Runs every step; how many passed and failed."""
    passed, failed = 0, 0
    async with capnp.kj_loop():
        scenario = Scenario(server)
        steps = [name for name in vars(Scenario) if name.startswith("test_")]
        if not server.factory_ref()["pin"]:
            steps = [name for name in steps if not name.startswith("test_with_tls_")]
        for name in steps:
            if failed:
                # What stands on a step that failed would only fail for that.
                failed += 1
                print(f"not run {name[5:]}", flush=True)
                continue
            try:
                await getattr(scenario, name)()
                passed += 1
                print(f"ok      {name[5:]}", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED  {name[5:]}", flush=True)
                traceback.print_exc()
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description="checks a share server with a client made from the schema alone")
    parser.add_argument("--share", required=True, help="the `share` binary")
    arguments = parser.parse_args()
    plain = check(arguments.share)
    print("with TLS, by the pin of the server's certificate:", flush=True)
    return check(arguments.share, "--tls") or plain


def check(binary, *options):
    """Runs the steps against a server with these options; an exit code."""
    with tempfile.TemporaryDirectory(prefix="share-interop-") as data:
        server = Server(os.path.abspath(binary), data, *options)
        try:
            server.wait_until_ready()
            passed, failed = asyncio.run(asyncio.wait_for(run(server), ALL_SECONDS))
            if failed:
                print("the server's log:", *server.log[-50:], sep="\n", file=sys.stderr)
        finally:
            server.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
