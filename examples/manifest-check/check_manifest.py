#!/usr/bin/env python3
"""Compares what a replay says it delivered (its manifest) with what a receiver says it took.

usage: check_manifest.py MANIFEST... RECEIVED

MANIFEST  the answer of GET /v1/replays/{id}/manifest; several files when it has pages; or the body of a
          completion event that holds its minutes
RECEIVED  one JSON object per line, for each request that was answered with 2xx, in the order of the answers:
            {"id": "<webhook-id>", "time": "<reprise-event-time>", "job": "<reprise-job-id>"}
          `job` may be left out; lines of another job are skipped. `time` may be left out in all lines: then only
          the whole replay is compared, not each minute. Repeated ids count once; the last line of an id says its time.

Prints one line per difference and a verdict. Exit status: 0 equal, 1 different, 2 cannot be compared.

A digest is the sum, modulo 2^256, of SHA-256(id) over the ids of a minute, as 64 hex digits.
Python 3.8 or newer, standard library alone.
"""

import hashlib
import json
import sys
from datetime import datetime, timezone

MODULUS = 1 << 256


class Unusable(Exception):
    """The input cannot be compared."""


def hash_of(identifier):
    return int.from_bytes(hashlib.sha256(identifier.encode("utf-8")).digest(), "big")


def digest_of(identifiers):
    return sum(hash_of(identifier) for identifier in identifiers) % MODULUS


def minute_of(text):
    """Minutes since 1970 of an RFC 3339 time."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise Unusable(f"{text} has no time zone")
    return int((time - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() // 60)


def name_of(minute):
    return datetime.fromtimestamp(minute * 60, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


class Expected:
    """What the manifest lists for one minute, or for all of them."""

    def __init__(self):
        self.delivered = self.delivered_sum = self.dead = self.dead_sum = 0
        self.resent = False

    def add(self, entry):
        self.delivered += entry["delivered"]
        self.delivered_sum = (self.delivered_sum + int(entry["deliveredDigest"], 16)) % MODULUS
        self.dead += entry["deadLettered"]
        self.dead_sum = (self.dead_sum + int(entry["deadLetteredDigest"], 16)) % MODULUS
        self.resent = self.resent or entry["resent"]


def read_manifest(pages):
    """The first page with the minutes of all of them."""
    pages = [page["data"] if "data" in page and "type" in page else page for page in pages]
    if not pages:
        raise Unusable("there is no manifest")
    first = pages[0]
    minutes = []
    for page in pages:
        if page["replayId"] != first["replayId"] or page["version"] != first["version"]:
            raise Unusable("these are pages of different manifests")
        if page["minutes"] is None:
            raise Unusable("the event was too long to hold its minutes: fetch " + page["manifest"])
        minutes += page["minutes"]
    if pages[-1].get("nextCursor") is not None:
        raise Unusable("pages are missing: nextCursor of the last one is not null")
    if not first["final"]:
        raise Unusable("the replay has not ended: this is not what it will have delivered")
    names = [entry["minute"] for entry in minutes]
    if len(set(names)) != len(names):
        raise Unusable("a minute is there twice")
    if sum(entry["delivered"] for entry in minutes) != first["counts"]["delivered"]:
        raise Unusable("the minutes do not add up to counts.delivered: a page is missing")
    return first, minutes


def read_received(lines, job):
    """The time of each id, None without one."""
    times = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            identifier = entry["id"]
        except (ValueError, TypeError, KeyError):
            raise Unusable(f"line {number} of the received ids is no object with an id") from None
        if str(entry.get("job", job)) == job:
            times[identifier] = entry.get("time")
    return times


def one_that_makes(difference, identifiers):
    """The id whose hash is the difference: the only one that is too many."""
    for identifier in identifiers:
        if hash_of(identifier) == difference:
            return identifier
    return None


def compare(expected, identifiers):
    """(kind, text) for one minute; kind: equal, more (harmless or not to be judged), different."""
    got, got_sum = len(identifiers), digest_of(identifiers)
    if got == expected.delivered and got_sum == expected.delivered_sum:
        return "equal", ""
    surplus = got - expected.delivered
    rest = (got_sum - expected.delivered_sum) % MODULUS
    if expected.dead and surplus == expected.dead and rest == expected.dead_sum:
        return "more", f"{surplus} that the replay gave up on were taken too: their answers came too late"
    if expected.resent and surplus > 0:
        return "more", f"{surplus} more than listed; it was sent twice, so the receiver may have more"
    if surplus > 0:
        one = one_that_makes(rest, identifiers) if surplus == 1 else None
        return "different", f"{surplus} foreign" + (f": {one}" if one else " at least")
    if surplus == 0:
        return "different", "as many as listed but not the same: at least 1 missing and 1 foreign"
    text = f"{-surplus} missing"
    if surplus == -1:
        text += f"; if no other is foreign, SHA-256 of its id is {(-rest) % MODULUS:064x}"
    else:
        text += " at least"
    return "different", text


def groups_of(minutes, times):
    """(name, expected, ids) per minute; of everything when times are not known."""
    known = [time is not None for time in times.values()]
    if any(known) and not all(known):
        raise Unusable("some of the received ids have a time and some have none")
    if known and not any(known):
        whole = Expected()
        for entry in minutes:
            whole.add(entry)
        return [("all minutes", whole, list(times))]
    expected, received = {}, {}
    for entry in minutes:
        expected.setdefault(minute_of(entry["minute"]), Expected()).add(entry)
    for identifier, time in times.items():
        received.setdefault(minute_of(time), []).append(identifier)
    return [
        (name_of(minute), expected.get(minute, Expected()), received.get(minute, []))
        for minute in sorted(expected.keys() | received.keys())
    ]


def check(pages, lines, say=print):
    """The exit status."""
    try:
        manifest, minutes = read_manifest(pages)
        times = read_received(lines, manifest["replayId"])
        groups = groups_of(minutes, times)
    except (Unusable, KeyError, TypeError, ValueError) as problem:
        say(f"cannot be compared: {problem}")
        return 2
    counts = manifest["counts"]
    if counts["evicted"] + counts["unknownBelowCut"] > 0:
        say("note: dedupe had to forget ids, so the manifest may count an id twice")
    different = 0
    for name, expected, identifiers in groups:
        kind, text = compare(expected, identifiers)
        if kind == "different":
            different += 1
        if kind != "equal":
            say(f"{name}: {'' if kind == 'different' else 'note: '}{text}")
    total = f"{len(times)} ids received, {counts['delivered']} listed"
    say(f"{'DIFFERENT' if different else 'EQUAL'}: {total}, {len(groups)} compared, {different} different")
    return 1 if different else 0


def main(arguments):
    if len(arguments) < 2:
        print(__doc__)
        return 2
    pages = []
    try:
        for path in arguments[:-1]:
            with open(path, encoding="utf-8") as file:
                pages.append(json.load(file))
        with open(arguments[-1], encoding="utf-8") as file:
            return check(pages, file)
    except (OSError, ValueError) as problem:
        print(f"cannot be compared: {problem}")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
