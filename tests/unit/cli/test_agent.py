#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ferry net agent: its words, and as root in a network namespace of its own what it does, tells and survives."""
import ctypes
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from rig import FERRY, Tap, expect, ferry, one_sentence

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x4000, 0x40000
PORT = 19559
KEPT = 1 << 2 | 1 << 12 | 1 << 38 | 1 << 39  # DAC_READ_SEARCH, NET_ADMIN, PERFMON, BPF
DEADLINE_S = 60
SAMPLE = re.compile(r'^([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')
BASE_UNITS = ("_bytes", "_seconds", "_joules", "_watts", "_celsius", "_ratio", "_dbm", "_per_second",
              "_packets", "_info", "_up", "_loaded", "_watch", "_files")
COUNTED = ("_looks", "_pushed", "_failures", "_events", "_lost", "_scrapes", "_decisions", "_changes",
           "_echoes", "_answers")


def eventually(claim):
    """Whether it becomes true; the deadline is for a hang only."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if claim():
            return True
        time.sleep(0.05)
    return False


class Agent:
    def __init__(self, directory, *args, env=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*FERRY, "net", "agent", "--directory", directory, "--cgroup", "/sys/fs/cgroup", *map(str, args)],
            stderr=self.log, env=env)
        self.pid = self.process.pid

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def ready(self):
        return eventually(lambda: "ready" in self.said() or self.process.poll() is not None) and \
            self.process.poll() is None

    def status(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "did not stop"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.end(signal.SIGKILL)
        self.log.close()


def request(method="GET", path="/metrics"):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=DEADLINE_S)
    c.request(method, path)
    r = c.getresponse()
    body = r.read().decode()
    c.close()
    return r.status, r.getheader("Content-Type"), body


def samples(text):
    """{(name, labels): value}"""
    return {(m[1], m[2] or ""): float(m[3]) for m in map(SAMPLE.match, text.splitlines()) if m}


def value(name, labels=""):
    return samples(request()[2]).get((name, labels))


def grammar(text):
    """What is wrong with a text by the exposition format and the conventions of names."""
    wrong, family, kind, seen = [], None, None, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            wrong += expect((family not in seen, f"{family} comes twice"), (line.endswith("."), line))
            seen.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            base = name[:-6] if name.endswith("_total") else name
            wrong += expect((name == family, line), (kind in ("counter", "gauge"), line),
                            ((kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"),
                            (base.endswith(BASE_UNITS) or (kind == "counter" and base.endswith(COUNTED)),
                             f"{name} has no unit"))
        else:
            m = SAMPLE.match(line)
            wrong += expect((m and m[1] == family, f"{line!r} below {family}"))
    return wrong + expect((text.endswith("\n"), "no newline at the end"), (len(seen) > 20, f"{len(seen)} families"))


def words(tap):
    r = ferry("net", "agent", "--help")
    tap.check("agent has --help", expect((r.status == 0, r.err), ("--listen" in r.text(), r.text())))
    for arguments, parts in [
        (("swim",), ("swim",)),
        (("--service", "chat"), ("NAME=PROCESS",)),
        (("--service", "chat=x"), ("--service", "x")),
        (("--interval", "1"), ("100", "60000")),
    ]:
        r = ferry("net", "agent", *arguments)
        tap.check("agent " + " ".join(arguments), expect(
            (r.status != 0, r.status), *[(p in r.err, r.err) for p in parts]))


def unit(tap):
    """systemd finds nothing wrong with the unit, but that the program is not installed yet."""
    agent = pathlib.Path(FERRY[-1]).with_name("ferry-agent")
    if not shutil.which("systemd-analyze") or not agent.exists():
        tap.skip("the systemd unit", "no systemd-analyze, or no agent")
        return
    text = agent.with_name("ferry-agent.service").read_text()
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={agent.resolve()}", text, flags=re.M)
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "ferry-agent.service"
        path.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
        r = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    complaints = [line for line in r.stderr.splitlines() if "ferry-agent" in line]
    tap.check("systemd finds nothing wrong with the unit", complaints + expect(
        ("CAP_NET_ADMIN CAP_BPF" in text, "no CapabilityBoundingSet"), ("WatchdogSec" in text, "no watchdog")))


def isolate():
    """A network namespace with its own sysfs; why not, if not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid():
        return "takes root"
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return f"no namespaces: {os.strerror(ctypes.get_errno())}"
    for command in (["mount", "-t", "sysfs", "sysfs", "/sys"], ["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"],
                    ["ip", "link", "set", "lo", "up"]):
        r = subprocess.run(command, capture_output=True, check=False)
        if r.returncode:
            return f"{' '.join(command)}: {r.stderr.decode().strip()}"
    return None


def addresses(tap, directory):
    for address, parts in [("0.0.0.0:9559", ("reached from outside",)), ("192.0.2.1:9559", ("outside",)),
                           ("[::]:9559", ("outside",)), ("9559", ("127.0.0.1:9559",)),
                           ("127.0.0.1:0", ("address",)), ("127.0.0.1:99999", ("address",)),
                           ("/nowhere/metrics.sock", ("/nowhere", "No such"))]:
        r = ferry("net", "agent", "--directory", directory, "--cgroup", "/sys/fs/cgroup", "-q", "--listen", address)
        tap.check(f"metrics on {address} are refused", one_sentence(r, *parts))
    r = ferry("net", "agent", "--directory", directory, "--cgroup", "/sys/fs/cgroup", "-q", "--user", "ferry-nobody")
    tap.check("a user that is not there is named", one_sentence(r, "ferry-nobody", "--user"))


def metrics(tap, agent):
    status, kind, text = request()
    tap.check("R-41: metrics are as Prometheus reads them", grammar(text) + expect(
        (status == 200, status), (kind.startswith("text/plain; version=0.0.4"), kind),
        ('ferry_link_up{device="lo"} 1' in text, text[:200]),
        ("ferry_agent_flow_watch 1" in text, "flows are not watched: " + agent.said())))
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer = server.accept()[0]
    client.sendall(b"x" * 5000)
    peer.recv(5000)
    told = eventually(lambda: value("ferry_link_srtt_seconds", 'device="lo"') is not None)
    text = request()[2]
    ports = {str(s.getsockname()[1]) for s in (client, server)}
    tap.check("R-43: of connections only what they are like together is told", expect(
        (told, "no round trip of lo: " + agent.said()), ("127.0.0.1" not in text, "an address is told"),
        (not any(re.search(rf"\b{p}\b", text) for p in ports), "a port is told")))
    for method, path, wanted in [("GET", "/", 404), ("GET", "/../etc/passwd", 404), ("POST", "/metrics", 405),
                                 ("DELETE", "/metrics", 405), ("HEAD", "/metrics", 200)]:
        status = request(method, path)[0]
        tap.check(f"{method} {path} is answered with {wanted}", expect((status == wanted, status)))


def clients(tap):
    """Those who say nothing are let go, and then the others get their turn."""
    silent = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(40)]
    for s in silent[:20]:
        s.sendall(b"GET /metrics HT")
    served = eventually(lambda: answered())
    tap.check("silent clients do not keep others away", expect((served, "nobody is served")))
    for s in silent:
        s.close()
    with socket.create_connection(("127.0.0.1", PORT)) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 100000)
        s.settimeout(DEADLINE_S)
        try:
            answer = s.recv(100)
        except ConnectionError:
            answer = b""
    tap.check("a request that never ends is cut off", expect((not answer or b" 4" in answer[:13], answer)))


def answered():
    try:
        return request()[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def privileges(tap, agent):
    s = agent.status()
    tap.check("it is nobody, with four capabilities and a filter of system calls", expect(
        (s["Uid"].split() == ["65534"] * 4, s["Uid"]), (int(s["CapEff"], 16) == KEPT, s["CapEff"]),
        (int(s["CapPrm"], 16) == KEPT, s["CapPrm"]), (int(s["CapBnd"], 16) == KEPT, s["CapBnd"]),
        (s["NoNewPrivs"] == "1", s["NoNewPrivs"]), (s["Seccomp"] == "2", s["Seccomp"])))


def settings(tap, agent, directory):
    path = pathlib.Path(directory) / "lo.autorate"
    path.write_text("{")
    told = eventually(lambda: "lo.autorate:1" in agent.said())
    tap.check("a file of settings that makes no sense is named", expect((told, agent.said())))
    path.write_text('{"device": "lo", "identity": 0, "base_kbps": 2000, "floor_kbps": 1000, "ceiling_kbps": 3000}')
    agent.process.send_signal(signal.SIGHUP)
    told = eventually(lambda: "lo has no qdisc ferry" in agent.said())
    tap.check("SIGHUP reads settings; without our qdisc there is nothing to follow with", expect((told, agent.said())))
    path.unlink()
    told = eventually(lambda: "lo: the rate stays" in agent.said())
    tap.check("settings that go end it", expect((told, agent.said())))


def lives(tap, directory):
    with Agent(directory, "--listen", f"127.0.0.1:{PORT}") as agent:
        if not agent.ready():
            tap.check("the agent starts", [agent.said()])
            return
        metrics(tap, agent)
        privileges(tap, agent)
        r = ferry("net", "agent", "--directory", directory, "--cgroup", "/sys/fs/cgroup")
        tap.check("a second agent says so", one_sentence(r, "running already", str(agent.pid)))
        settings(tap, agent, directory)
        clients(tap)
        looks = value("ferry_agent_looks_total")
        worked = eventually(lambda: value("ferry_agent_looks_total") > looks + 2)
        tap.check("under its filter it works, and nothing that it needs is refused", expect(
            (worked, "it looks no more"), ("not permitted" not in agent.said(), agent.said()),
            (value("ferry_agent_denied_files") == 0, "files are denied")))
        agent.end(signal.SIGKILL)
    with Agent(directory, "--listen", f"127.0.0.1:{PORT}") as agent:
        tap.check("after kill -9 the next one starts", expect((agent.ready(), agent.said())))
        status = agent.end()
        tap.check("SIGTERM ends it cleanly", expect((status == 0, status), ("refuse" not in agent.said(), agent.said())))
    with Agent(directory) as agent:
        agent.ready()
        tap.check("SIGINT does, too", expect((agent.end(signal.SIGINT) == 0, agent.said())))
        tap.check("nobody listens who was not asked to", expect((not answered(), "there are metrics")))


def manager(tap, directory):
    """The protocol of sd_notify, and a Unix socket for the metrics."""
    path = directory + "/metrics.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(directory + "/notify")
        env = dict(os.environ, NOTIFY_SOCKET=directory + "/notify", WATCHDOG_USEC="200000")
        heard = ""
        with Agent(directory, "--listen", path, env=env) as agent:
            def listen(word):
                nonlocal heard
                while select.select([s], [], [], 0)[0]:
                    heard += s.recv(1000).decode() + "\n"
                return word in heard
            tap.check("the service manager hears READY", expect((eventually(lambda: listen("READY=1")), agent.said())))
            heard = ""
            fed = eventually(lambda: listen("WATCHDOG=1") and heard.count("WATCHDOG=1") >= 5)
            tap.check("and is told that it lives", expect((fed, heard)))
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                c.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                answer = c.recv(1000)
            tap.check("metrics by a Unix socket", expect((b" 200 " in answer[:20], answer)))
            agent.end(signal.SIGKILL)
        with Agent(directory, "--listen", path) as agent:
            tap.check("the socket of one that was killed is taken over", expect((agent.ready(), agent.said())))


def joules(tap, directory):
    """A board that takes 50 W, and a process that keeps a processor busy."""
    root = pathlib.Path(directory) / "sys"
    chip = root / "class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("ina226\n")
    (chip / "power1_input").write_text("50000000\n")
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        with Agent(directory, "--listen", f"127.0.0.1:{PORT}", "--root", root, "--service", f"chat={busy.pid}") as agent:
            labels = 'service="chat",kind="process"'
            if not agent.ready():
                tap.check("the agent starts with a service", [agent.said()])
                return
            got = eventually(lambda: (value("ferry_service_joules_total", labels) or 0) > 1)
            found = samples(request()[2])
            total = found[("ferry_machine_joules_total", "")]
            parts = sum(v for (name, _), v in found.items() if name == "ferry_service_joules_total")
            rest = found[("ferry_machine_unattributed_joules_total", "")]
            tap.check("joules of a board are handed out to who used the processors", expect(
                (got, f"the busy process got nothing: {found}"),
                (abs(total - parts - rest) <= 0.02 * total + 0.01 * len(found), f"{total} J, but {parts} + {rest}"),
                (found.get(("ferry_energy_source_watts", 'source="hw-ina226-1",provenance="measured"')) == 50,
                 [k for k in found if "watts" in k[0]])))
            busy.kill()
            busy.wait()
            told = eventually(lambda: "has ended" in agent.said())
            tap.check("a service that ends is said to have", expect((told, agent.said())))
    finally:
        busy.kill()
        busy.wait()


def up(tap):
    """What `ferry net up` tells the agent, and `down` takes back, in a /run and a /sys/fs/bpf of their own."""
    for command in (["mount", "-t", "tmpfs", "tmpfs", "/run"], ["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"],
                    ["ip", "link", "add", "wan0", "type", "veth", "peer", "name", "far0"],
                    ["ip", "link", "set", "wan0", "up"]):
        r = subprocess.run(command, capture_output=True, check=False)
        if r.returncode:
            tap.skip("ferry net up --autorate", f"{' '.join(command)}: {r.stderr.decode().strip()}")
            return
    path = pathlib.Path("/run/ferry/wan0.autorate")
    for arguments, parts in [(("--autorate",), ("--rate",)), (("--rate", "20mbit", "--autorate=5mbit"), ("5mbit,40mbit",)),
                             (("--rate", "20mbit", "--autorate=30mbit,40mbit"), ("30000", "40000", "20000")),
                             (("--rate", "20mbit", "--autorate=40mbit,5mbit"), ("40mbit,5mbit",))]:
        r = ferry("net", "up", "wan0", *arguments)
        tap.check(f"up {' '.join(arguments)} is refused and leaves nothing", expect(
            (r.status == 2 or r.status == 64, (r.status, r.err)), *[(p in r.err, r.err) for p in parts],
            (not path.exists(), path.read_text() if path.exists() else "")))
    r = ferry("net", "up", "wan0", "--rate", "20mbit", "--autorate")
    found = json.loads(path.read_text()) if path.exists() else {}
    tap.check("up --autorate writes what the agent reads", expect((r.status == 0, r.err), (
        [found.get(k) for k in ("device", "base_kbps", "floor_kbps", "ceiling_kbps")] == ["wan0", 20000, 5000, 80000],
        found)))
    with Agent("/run/ferry") as agent:
        told = agent.ready() and eventually(lambda: "wan0: the rate follows" in agent.said())
        tap.check("and the agent follows it", expect((told, agent.said())))
    r = ferry("net", "up", "wan0", "--autorate=8mbit,30mbit")
    found = json.loads(path.read_text()) if path.exists() else {}
    tap.check("a later up has the rate of the first", expect((r.status == 0, r.err), (
        [found.get(k) for k in ("base_kbps", "floor_kbps", "ceiling_kbps")] == [20000, 8000, 30000], found)))
    for arguments, wanted in [(("--reflector", "192.0.2.1", "--reflector", "2001:db8::1"), ["192.0.2.1", "2001:db8::1"]),
                              (("--autorate=8mbit,30mbit",), ["192.0.2.1", "2001:db8::1"]), (("--no-reflector",), [])]:
        r = ferry("net", "up", "wan0", *arguments)
        found = json.loads(path.read_text()) if path.exists() else {}
        tap.check(f"up {' '.join(arguments)}: reflectors stay until others are named", expect(
            (r.status == 0, r.err), (found.get("reflectors") == wanted, found), (found.get("base_kbps") == 20000, found)))
    status = ferry("net", "status", "wan0").text()
    tap.check("status says who knows no round trips", expect(
        ("autorate knows no round trips: --reflector" in status, status)))
    r = ferry("net", "up", "wan0", "--no-autorate")
    tap.check("--no-autorate ends it", expect((r.status == 0, r.err), (not path.exists(), "it is still there")))
    ferry("net", "up", "wan0", "--autorate")
    r = ferry("net", "down", "wan0")
    tap.check("so does down", expect((r.status == 0, r.err), (not path.exists(), "it is still there")))


def main():
    tap = Tap()
    if "without eBPF" in ferry("net", "agent", "--help").err:
        tap.skip("ferry net agent", "built without eBPF")
        tap.done()
    words(tap)
    unit(tap)
    why = isolate()
    if why:
        tap.skip("the agent at work", why)
        tap.done()
        return
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        addresses(tap, directory)
        lives(tap, directory)
        manager(tap, directory)
        joules(tap, directory)
    up(tap)
    tap.done()


if __name__ == "__main__":
    main()
