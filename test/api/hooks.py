# What the API's tester does to a request before it is sent. Its cases of one operation share their headers: an
# Idempotency-Key that comes again with another body is refused, and an If-Match that nobody was given matches nothing,
# so nearly all of them would end there. The description's example of a range is long past, and its example of a plan
# was never made: the seed's stand in their place.
# Invariant: a valid value stays valid, and a wrong one wrong.

import json
import os
import re
import uuid

import schemathesis

KEY = "idempotency-key"
VALID_KEY = re.compile(r"[\x21-\x7e]{1,255}")
VERSION = "if-match"
LONGEST_VERSION = 1000
# Each so many-th is left as it is: repeats and stale versions are requests too.
LEFT_ALONE = 8

SEED = json.loads(os.environ["REPRISE_TESTER_SEED"])
EXAMPLE_RANGE = (
    ("2026-01-31T09:30:00Z", "2026-01-31T10:30:00Z"),
    ("2026-11-20T10:00:00Z", "2026-11-20T12:30:00Z"),
)
EXAMPLE_PLAN = "882705129484288003"

seen: set[str] = set()
plans = list(SEED["planIds"])
count = 0


def set_range(body):
    if (body.get("from"), body.get("to")) in EXAMPLE_RANGE:
        body["from"], body["to"] = SEED["from"], SEED["to"]
    # Each once; when all were run, the last one again, which is refused.
    if body.get("planId") == EXAMPLE_PLAN:
        body["planId"] = plans.pop() if len(plans) > 1 else plans[0]


@schemathesis.hook
def before_call(context, case, kwargs):
    global count
    headers = case.headers or {}
    count += 1
    if count % LEFT_ALONE == 0:
        return
    if isinstance(case.body, dict):
        set_range(case.body)
    key = headers.get(KEY)
    if isinstance(key, str) and VALID_KEY.fullmatch(key):
        if key in seen:
            headers[KEY] = str(uuid.uuid4())
        seen.add(key)
    version = headers.get(VERSION)
    if isinstance(version, str) and len(version) <= LONGEST_VERSION:
        headers[VERSION] = "*"
