"""What schemathesis does not know of VenueCode: who may ask, lines of JSON, and what every answer owes its reader."""

import atexit
import collections
import itertools
import json
import os
import pathlib
import re

import schemathesis

from good import mixed

# Made by run.py: tokens by role, and a request that is taken by operation.
TOKENS = json.loads(os.environ["VENUECODE_API_TOKENS"])
GOOD = json.loads(pathlib.Path(os.environ["VENUECODE_API_GOOD"]).read_text(encoding="utf-8"))
NDJSON = "application/x-ndjson"
# Apart, so that no role always meets the same kind of request.
asks = itertools.count()
turns = itertools.count()
cases = itertools.count()
taken = collections.Counter()
failures = set()


@atexit.register
def write_counts():
    counts = {"cases": next(cases), "taken": taken, "failures": len(failures)}
    pathlib.Path(os.environ["VENUECODE_API_COUNTS"]).write_text(json.dumps(counts), encoding="utf-8")


@schemathesis.auth(refresh_interval=None)
class TokenOfARole:
    """Each request brings the token of the next one of the roles that the document names for its route."""

    def get(self, case, context):
        text = context.operation.definition.raw.get("description", "").partition("Roles: ")[2].partition(".")[0]
        roles = re.findall(r"`(\w+)`", text)
        return TOKENS[roles[next(asks) % len(roles)]] if roles else None

    def set(self, case, data, context):
        if data:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.serializer(NDJSON)
def lines(context, value):
    """The document describes one line: it is sent twice, with a blank one between."""
    if isinstance(value, bytes):
        return value
    line = json.dumps(value, ensure_ascii=False)
    return f"{line}\n\n{line}".encode("utf-8", "surrogatepass")


@schemathesis.hook
def map_case(context, case):
    """Of valid requests one in three is a good one, and one a good one with one value of its own: most of those are taken."""
    good = GOOD.get(case.operation.label)
    turn = next(turns)
    if good and turn % 3 and case.meta and case.meta.generation.mode.is_positive:
        if good.get("path"):
            case.path_parameters = good["path"]
        if good.get("query") is not None:
            case.query = mixed(good["query"], case.query or {}, turn)
        if good.get("body") is not None:
            case.body = mixed(good["body"], case.body, turn)
    if good and case.operation.label == "DELETE /v1/traces/jobs/{id}":
        # Schemathesis goes on with identities that it has seen; the job that others look at is not to be thrown away.
        if case.path_parameters == GOOD["GET /v1/traces/jobs/{id}"]["path"]:
            case.path_parameters = good["path"]
    if case.operation.path == "/v1/footfall/live":
        # Nothing here reads a stream that does not end.
        query = dict(case.query or {})
        if "events" not in query or case.meta and case.meta.generation.mode.is_positive:
            case.query = {**query, "events": 1}
    return case


@schemathesis.check
def every_line_has_its_outcome(context, response, case):
    if case.media_type != NDJSON or response.status_code not in (200, 202) or case.method == "OPTIONS":
        return
    answer = response.json()
    outcomes = {outcome["line"]: outcome for outcome in answer["lines"]}
    # What waits for a second account lists the refused lines only.
    assert outcomes.keys() == {1, 3} if response.status_code == 200 else outcomes.keys() <= {1, 3}, answer
    refused = ["problem" in outcomes.get(line, {}) for line in (1, 3)]
    assert [answer["accepted"], answer["rejected"]] == [refused.count(False), refused.count(True)], answer
    # What breaks the schema breaks each line for itself.
    if case.meta and case.meta.generation.mode.is_negative:
        assert all(refused), f"a line that breaks the schema was taken: {answer}"


@schemathesis.check
def a_refusal_says_what_it_owes(context, response, case):
    """problem+json (RFC 9457), and what the status asks for (RFC 9110)."""
    # A HEAD has no body, and that it is not ready is what /readyz is asked for.
    if response.status_code < 400 or case.method == "HEAD" or case.operation.path == "/readyz":
        return
    header = {name.lower(): values[0] for name, values in response.headers.items()}
    assert header.get("content-type") == "application/problem+json", f"{response.status_code} {header}"
    problem = response.json()
    assert problem["status"] == response.status_code and problem["type"].startswith("urn:venuecode:problem:"), problem
    assert problem.get("detail") and problem.get("title"), problem
    if response.status_code in (429, 503):
        assert header.get("retry-after") == str(problem.get("retry_after_s")), (header, problem)
    if response.status_code == 401:
        assert header.get("www-authenticate", "").startswith("Bearer "), header
    if response.status_code == 405:
        assert header.get("allow"), header


@schemathesis.hook
def after_call(context, case, response):
    next(cases)
    # What a browser asks before it asks from another origin is not the operation itself.
    is_taken = case.method != "OPTIONS" and 200 <= response.status_code < 300
    if is_taken and case.media_type == NDJSON:
        is_taken = response.json()["accepted"] > 0
    taken[case.operation.label] += is_taken


@schemathesis.hook
def filter_failure(context, failure, case, response):
    failures.add((case.operation.label, failure.title))
    return True
