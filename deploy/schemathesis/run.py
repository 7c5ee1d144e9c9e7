"""Starts VenueCode on ports and data of its own, fills it, and lets schemathesis ask every operation of every service.

The last line says how many operations and cases there were and how many failed.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import requests

import good

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = ("ingest", "processor", "query-api")
PATIENCE_S = 90


def claim_ports(count):
    """Sockets that keep ports until they are closed, as service::ports does: bound without SO_REUSEADDR, which they get
    afterwards so that a server can listen there."""
    claims = []
    for port in range(20000, 28000):
        claim = socket.socket()
        try:
            claim.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claims.append(claim)
        if len(claims) == count:
            return claims
    sys.exit("no free ports")


def start(venuecode, data, ports):
    listen = dict(zip(SERVICES, ports))
    log = data / "up.log"
    arguments = [venuecode, "up", "--data", data / "up", "--city", "kaifeng", "--kafka-port", str(ports[3]),
                 "--clickhouse-port", str(ports[4]), "--query-log", "false"]
    for flag, service in (("ingest", "ingest"), ("processor", "processor"), ("query", "query-api")):
        arguments += [f"--listen-{flag}", f"127.0.0.1:{listen[service]}"]
    with log.open("w", encoding="utf-8") as output:
        stack = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT,
                                 env={**os.environ, "VENUECODE_BULK_CHANGES": "1"})
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "ready;" not in log.read_text(encoding="utf-8"):
            if stack.poll() is not None or time.monotonic() > deadline:
                sys.exit("VenueCode did not start:\n" + log.read_text(encoding="utf-8"))
            time.sleep(0.2)
    except BaseException:
        stop(stack)
        raise
    return stack, {service: f"http://127.0.0.1:{port}" for service, port in listen.items()}


def stop(stack):
    if stack.poll() is None:
        stack.send_signal(signal.SIGINT)
        try:
            stack.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            stack.kill()
            stack.wait()


def issue(venuecode, key, role):
    limits = good.LIMITS.get(role, [])
    command = [venuecode, "token", "issue", "--key", key, "--role", role, "--sub", f"api-test-{role}", *limits]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def fill(addresses, documents, tokens):
    """What `good` asks for, over HTTP; an answer that is no success ends the run, unless it is waited for."""

    def send(label, role, path=None, query=None, body=None):
        method, template = label.split(" ")
        found = ((service, documents[service]["paths"].get(template, {}).get(method.lower())) for service in SERVICES)
        service, operation = next((service, operation) for service, operation in found if operation)
        kind = next(iter(operation.get("requestBody", {}).get("content", {"application/json": {}})))
        answer = requests.request(
            method, addresses[service] + template.format(**(path or {})), params=query, timeout=20,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {tokens[role]}", "Content-Type": kind})
        if not answer.ok:
            raise RuntimeError(f"{label}: {answer.status_code} {answer.text}")
        said = answer.json() if "json" in answer.headers["content-type"] else answer.content
        if isinstance(said, dict) and said.get("rejected"):
            raise RuntimeError(f"{label}: {answer.text}")
        return said

    def until(ask):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if said := ask():
                    return said
                failure = RuntimeError("nothing came")
            except RuntimeError as error:
                failure = error
            if time.monotonic() > deadline:
                raise failure
            time.sleep(0.2)

    return good.fill(send, until)


def ask_everything(service, address, data, environment, examples):
    """Runs schemathesis and gives what its hooks have counted, and whether anything failed."""
    folder = data / service
    folder.mkdir()
    counts = folder / "counts.json"
    config = HERE / "schemathesis.toml"
    command = [pathlib.Path(sys.executable).parent / "st", "--config-file", config, "run", f"{address}/openapi.json",
               "--max-examples", str(examples), "--no-color"]
    environment = {**environment, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "VENUECODE_API_COUNTS": str(counts),
                   "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=folder, env=environment)
    return json.loads(counts.read_text(encoding="utf-8")), run.returncode


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--venuecode", required=True, type=pathlib.Path, help="the command to start")
    arguments.add_argument("--examples", type=int, default=40, help="generated cases for each operation and phase")
    options = arguments.parse_args()
    # Asked to end, it ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="venuecode-api-") as data:
        data = pathlib.Path(data)
        venuecode = options.venuecode.resolve()
        claims = claim_ports(5)
        stack, addresses = start(venuecode, data, [claim.getsockname()[1] for claim in claims])
        try:
            tokens = {role: issue(venuecode, data / "up/secrets/token.key", role) for role in good.ROLES}
            documents = {service: requests.get(f"{address}/openapi.json", timeout=20).json()
                         for service, address in addresses.items()}
            sent = data / "good.json"
            sent.write_text(json.dumps(fill(addresses, documents, tokens)), encoding="utf-8")
            environment = {**os.environ, "VENUECODE_API_TOKENS": json.dumps(tokens), "VENUECODE_API_GOOD": str(sent)}
            outcomes = [ask_everything(service, addresses[service], data, environment, options.examples)
                        for service in SERVICES]
        finally:
            stop(stack)
    taken = {label: count for counts, _ in outcomes for label, count in counts["taken"].items()}
    listed = {f"{method.upper()} {path}" for document in documents.values()
              for path, item in document["paths"].items() for method in item}
    never = sorted(listed - {label for label, count in taken.items() if count})
    for label in never:
        print(f"{label}: no case was taken, so only its refusals were looked at")
    failures = sum(counts["failures"] for counts, _ in outcomes) + len(never)
    if any(status for _, status in outcomes) and not failures:
        failures = 1
    cases = sum(counts["cases"] for counts, _ in outcomes)
    operations = sum(len(counts["taken"]) for counts, _ in outcomes)
    print(f"{operations} operations, {cases} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
