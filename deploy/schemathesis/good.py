"""One request for each operation that is taken: what the stack is filled with, and what generated requests start from."""

import datetime

ORGANISATION = "91310000MA1FL0000N"
GUARDIAN = "1123456789abcdef"
DISTRICT = 410202
VENUE = 7
# The example of GB 11643-1999.
CARD = {"type": "id_card", "number": "34052419800101001X"}

# Limits of the tokens of roles that cannot be without one.
LIMITS = {
    "citizen": ["--person", GUARDIAN],
    "operator": ["--organisation", ORGANISATION],
    "district": ["--district", str(DISTRICT)],
}
ROLES = (
    "device citizen operator reviewer district epidemiologist supervisor dashboard regulator feed admin auditor".split()
)


def at(minutes):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return (now + datetime.timedelta(minutes=minutes)).isoformat()


def venue(number, category="restaurant"):
    return {"venue": number, "name": "茶馆", "category": category, "district": DISTRICT, "address": "福州路1号",
            "organisation": ORGANISATION}


def red(document):
    return {"document": document, "colour": "red", "since": at(-60), "issuer": "CDC", "evidence": "E1", "reason": "contact"}


def fill(send, until):
    """Sends one request after the other and gives them all, by operation.

    `send(label, role, path={}, query={}, body=None)` gives the answer; `until(ask)` what `ask` gives once that is something.
    """
    good = {}

    def sent(label, role, **request):
        good[label] = request
        return send(label, role, **request)

    loaded = send("POST /v1/venues:batch", "admin", body=venue(VENUE))
    # Another one, so that what is generated revokes no code that others scan.
    sent("POST /v1/venues:batch", "admin", body=venue(8))
    code = loaded["lines"][0]["code"]
    sent("GET /v1/codes/{code}", "device", path={"code": code})
    sent("POST /v1/health-codes:batch", "feed", body=red(CARD))
    # The second person within the hour is more than this stack lets one account turn.
    second = red({"type": "passport", "number": "E7654321"})
    path = {"id": send("POST /v1/health-codes:batch", "feed", body=second)["proposal"]}
    sent("POST /v1/health-proposals/{id}/release", "feed", path=path, body=second)
    until(lambda: sent("GET /v1/health-proposals/{id}", "feed", path=path))
    sent("GET /v1/health-proposals", "supervisor", query={"state": "open", "since": at(-60)})
    sent("GET /v1/persons/{person}/health-changes", "citizen", path={"person": GUARDIAN})
    sent("POST /v1/tests:batch", "feed", body={
        "document": CARD, "sampled_at": at(-600), "resulted_at": at(-60), "result": "negative", "laboratory": "L1"})

    sent("GET /v1/forms", "device")
    answers = {"name": "张三", "document": CARD, "address": "龙亭区1号", "severe_area": False, "contact": False,
               "temperature": True}
    person = sent("POST /v1/people", "device", body={"form": "venue", "answers": answers})["person"]
    child = {**answers, "document": {"type": "passport", "number": "E1234567"}}
    sent("POST /v1/people/{person}/dependants", "citizen", path={"person": GUARDIAN},
         body={"offline_reason": "child", "answers": child})

    scan = {"code": code, "document": CARD}
    sent("POST /v1/scans", "device", body=scan)
    sent("POST /v1/scans:batch", "device", body={**scan, "scanned_at": at(-5)})

    by_organisation = {"organisation": ORGANISATION}
    application = sent("POST /v1/applications", "operator", body={
        "channel": "mobile", "applicant": {"kind": "manager", "document": CARD},
        "organisation": {"credit_code": ORGANISATION, "name": "茶业公司", "kind": "company"},
        "category": "restaurant", "name": "茶馆二店", "district": DISTRICT, "address": "福州路2号",
        "responsible": {"name": "张三", "phone": "13800000000"}})["command"]
    path = {"id": application}
    sent("POST /v1/applications/{id}/reviews", "reviewer", path=path, body={**by_organisation, "outcome": "approve"})
    until(lambda: sent("GET /v1/applications/{id}", "operator", path=path))
    decided = until(lambda: send("GET /v1/applications/{id}", "operator", path=path)["venue"])
    sent("GET /v1/applications", "reviewer", query={"district": DISTRICT, "state": "approved"})
    sent("POST /v1/applications/{id}/withdrawal", "operator", path=path, body=by_organisation)
    for what in ("reissue", "revocation"):
        until(lambda: sent(f"POST /v1/venues/{{venue}}/{what}", "operator", path={"venue": decided}, body=by_organisation))

    alert = until(lambda: sent("GET /v1/alerts", "district", query={"since": at(-60)})["alerts"])[0]["alert"]
    path = {"id": alert}
    sent("GET /v1/alerts/{id}", "district", path=path)
    sent("POST /v1/alerts/{id}/acknowledgement", "district", path=path, body={})
    sent("POST /v1/alerts/{id}/disposition", "district", path=path, body={"disposition": "transferred", "note": "x"})

    for number, category in ((9, "freight_checkpoint"), (10, "freight_destination")):
        send("POST /v1/venues:batch", "admin", body=venue(number, category))
    plate = "豫B12345"
    path = {"id": sent("POST /v1/trips", "device", body={"checkpoint": 9, "destination": 10, "answers": {
        "name": "张三", "document": CARD, "plate": plate, "phone": "13800000000", "origin": "菏泽", "entry_point": "兰考",
        "expected_return": at(600), "expected_leave": at(900), "fever_cough": False, "risk_area": False}})["command"]}
    until(lambda: sent("GET /v1/trips/{id}", "district", path=path))
    sent("GET /v1/trips", "district", query={"since": at(-60)})
    sent("GET /v1/checkpoints", "citizen", query={"district": DISTRICT})
    sent("POST /v1/trips/{id}/cancellation", "device", path=path, body={"plate": plate})

    path = {"id": sent("POST /v1/reminders", "regulator", body={
        "matter": "no_freight_code", "organisation": ORGANISATION, "district": DISTRICT, "deadline": at(7 * 24 * 60)[:10],
        "note": "请尽快申领"})["command"]}
    until(lambda: sent("GET /v1/reminders/{id}", "operator", path=path))
    sent("GET /v1/reminders", "district", query={"state": "sent", "since": at(-60)})
    sent("POST /v1/reminders/{id}/answer", "operator", path=path, body={"reply": "mending", "note": "x"})
    sent("POST /v1/reminders/{id}/settle", "regulator", path=path, body={"outcome": "mended", "note": "x"})

    time = {"from": at(-600), "to": at(600)}
    wanted = {"district": DISTRICT, "case": "C-1", "case_kind": "confirmed", "evidence": "E1", "purpose": "contact_tracing",
              "persons": [person], "venues": [VENUE], "hops": 2, **time}
    path = {"id": sent("POST /v1/releases", "epidemiologist", body=wanted)["command"]}
    sent("POST /v1/releases/{id}/decision", "supervisor", path=path, body={"outcome": "release"})
    sent("POST /v1/releases/{id}/withdrawal", "epidemiologist", path=path, body={})
    # Another one is read by: schemathesis goes on with the identities that it has seen, and would take that one back.
    path = {"id": send("POST /v1/releases", "epidemiologist", body=wanted)["command"]}
    send("POST /v1/releases/{id}/decision", "supervisor", path=path, body={"outcome": "release"})
    until(lambda: sent("GET /v1/releases/{id}", "supervisor", path=path)["in_force"])
    sent("GET /v1/releases", "supervisor", query={"district": DISTRICT, "state": "released"})
    erased = {"district": DISTRICT, "document": {"type": "passport", "number": "E7654322"}, "evidence": "R-1",
              "basis": "consent_withdrawn"}
    erasure = {"id": sent("POST /v1/erasures", "district", body=erased)["command"]}
    sent("POST /v1/erasures/{id}/decision", "supervisor", path=erasure,
         body={"outcome": "confirm", "document": erased["document"]})
    until(lambda: sent("GET /v1/erasures/{id}", "supervisor", path=erasure)["state"] == "done")
    sent("GET /v1/erasures/{id}/report", "supervisor", path=erasure)
    sent("GET /v1/erasures", "auditor", query={"district": DISTRICT, "state": "done"})
    sent("GET /v1/reports/keys", "auditor")
    read = {**time, "release": path["id"]}
    until(lambda: sent("GET /v1/persons/{person}/visits", "epidemiologist", path={"person": person}, query=read)["visits"])
    until(lambda: sent("GET /v1/persons/{person}/identity", "epidemiologist", path={"person": person},
                       query={"release": path["id"]})["registrations"])
    sent("POST /v1/traces", "epidemiologist", body={"person": person, "venues": [{"venue": VENUE}], "hops": 2, **read})
    job = sent("POST /v1/traces/jobs", "epidemiologist", body={"person": person, **read})["job"]
    thrown_away, other = (
        send("POST /v1/traces/jobs", "epidemiologist", body={"person": person, **read})["job"] for _ in range(2))
    sent("DELETE /v1/traces/jobs/{id}", "epidemiologist", path={"id": thrown_away})
    # One that has ended so gives way to newer ones; this one is there until it is thrown away.
    good["DELETE /v1/traces/jobs/{id}"] = {"path": {"id": other}}
    until(lambda: sent("GET /v1/traces/jobs/{id}", "epidemiologist", path={"id": job})["state"] == "done")
    sent("GET /v1/traces/jobs/{id}/result", "epidemiologist", path={"id": job})
    sent("GET /v1/venues/{id}/visitors", "epidemiologist", path={"id": VENUE}, query=read)
    sent("GET /v1/persons/{person}/reads", "citizen", path={"person": GUARDIAN})
    sent("GET /v1/venues/{id}/poster", "reviewer", path={"id": VENUE}, query={"format": "svg"})
    sent("GET /V/{page}", "citizen", path={"page": code.rsplit("/", 1)[-1]})
    sent("GET /v1/footfall", "dashboard", query={"scope": "city", "step": "hour", **time})
    # Dashboards see one day of the city at a time.
    sent("GET /v1/footfall/top", "dashboard", query={"scope": "city", "from": at(-600), "to": at(-599)})
    sent("GET /v1/footfall/live", "dashboard", query={"scope": "city", "events": 1})
    sent("GET /v1/occupancy", "dashboard", query={"scope": "venue", "id": VENUE})
    sent("GET /v1/scans", "operator", query={"scope": "organisation", "id": ORGANISATION, **time})
    sent("GET /v1/codes/unused", "regulator", query={"days": 3})
    sent("GET /v1/codes/missing", "regulator", query={"district": DISTRICT})
    sent("GET /v1/city/days", "dashboard", query=time)
    sent("GET /v1/stats", "regulator")
    return good


def mixed(good, generated, turn):
    """A good mapping, every other turn with one of the values that were generated for it."""
    if not isinstance(generated, dict):
        return generated
    if not generated or turn % 2:
        return dict(good)
    name = sorted(generated)[turn // 2 % len(generated)]
    return {**good, name: generated[name]}
