#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ferry net up, down, status, rules, explain and watch, in a network namespace of the test's own."""
import json
import os
import pathlib
import signal
import subprocess
import sys

from rig import FERRY, Edge, Tap, expect, ferry, make_model, one_sentence

DEVICE = "fe0"
RULES = "port udp/7001 to model  # backup\n\nprefix 10.9.0.0/16 sync\n"


def sh(line):
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)


def alone():
    """Starts over in namespaces with a pair of interfaces; a reason where that cannot be had."""
    if os.geteuid():
        return "only root may have a network namespace and BPF programs"
    if "FERRY_TEST_ALONE" not in os.environ:
        os.environ["FERRY_TEST_ALONE"] = "yes"
        # Where there are no namespaces the probe below says so.
        if not subprocess.run(["unshare", "-nm", "true"], capture_output=True, check=False).returncode:
            os.execvp("unshare", ["unshare", "-nm", sys.executable, *sys.argv])
    made = sh("mount --make-rprivate / && mount -t tmpfs run /run && mount -t bpf bpf /sys/fs/bpf && "
              f"ip link add {DEVICE} type veth peer name fe1 && ip addr add 10.77.0.1/24 dev {DEVICE} && "
              f"ip link set {DEVICE} up && ip link set fe1 up && tc qdisc add dev {DEVICE} clsact && "
              f"tc qdisc del dev {DEVICE} clsact && "
              f"ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:09 dev {DEVICE}")
    return f"no BPF file system, veth or clsact here: {made.stderr.strip()}" if made.returncode else None


def as_user(*words):
    return subprocess.run(["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", *words],
                          capture_output=True, text=True, check=False)


def listing():
    return sh(f"tc -j qdisc show dev {DEVICE}; tc filter show dev {DEVICE} egress; "
              "find /run/ferry /sys/fs/bpf/ferry -type f 2>/dev/null | grep -v lock | sort").stdout


def check_without_root(tap):
    r = as_user(*FERRY, "net", "up", DEVICE)
    tap.check("up says which capability is missing", expect(
        (r.returncode == 1, r.returncode), ("CAP_NET_ADMIN is missing" in r.stderr, r.stderr),
        (len(r.stderr.splitlines()) == 1, r.stderr)))
    r = as_user(*FERRY, "net", "down", DEVICE)
    tap.check("down does too", expect((r.returncode == 1 and "CAP_NET_ADMIN" in r.stderr, r.stderr)))


def check_nothing_is_up(tap):
    for words, parts in [(("status", DEVICE), ("up fe0",)), (("rules", DEVICE), ("not up",)),
                         (("explain", DEVICE, "10.0.0.1:1", "10.0.0.2:2/tcp"), ("up fe0",)),
                         (("watch", DEVICE), ("up fe0",)), (("up", "nosuch0"), ("nosuch0",)),
                         (("down", "nosuch0"), ("nosuch0",)), (("status", "nosuch0"), ("nosuch0",))]:
        tap.check("nothing is up: net " + " ".join(words), one_sentence(ferry("net", *words), *parts))
    r = ferry("net", "down", DEVICE)
    tap.check("down where nothing is up is no error", expect((r.status == 0, r.err), ("nothing" in r.err, r.err)))


def check_up(tap, rules):
    r = ferry("net", "up", DEVICE, "--rules", rules)
    tap.check("up", expect((r.status == 0, r.err), (not r.out, r.out)))
    if not pathlib.Path("/sys/module/ferry").exists():
        tap.check("what is missing is said, and what helps", expect(("modprobe ferry" in r.err, r.err)))
    sh("bash -c 'echo x >/dev/udp/10.77.0.2/7001'")
    status = json.loads(ferry("net", "status", DEVICE, "--json").out)
    tap.check("status knows tier, hook and who decided", expect(
        (status["classifier"]["tier"].startswith("T"), status),
        (status["classifier"]["hook"] in ("tcx", "clsact"), status),
        (status["classifier"]["decided_by"]["port"].get("model", {}).get("packets") == 1, status)))
    text = ferry("net", "status").text()
    tap.check("status in words", expect(("port" in text and "model" in text, text)))
    text = ferry("net", "rules", DEVICE).text()
    tap.check("rules have their packets", expect(("1            1  1: port udp/7001" in text, text)))
    before = listing()
    r = ferry("net", "up", DEVICE)
    text = ferry("net", "rules", DEVICE).text()
    tap.check("a second up changes nothing", expect(
        (r.status == 0, r.err), (listing() == before, "other files or qdiscs"),
        ("1            1  1: port udp/7001" in text, text)))


def check_explain(tap):
    r = ferry("net", "explain", DEVICE, "10.77.0.1:40000", "10.77.0.2:7001/udp", "--json")
    said = json.loads(r.out)
    tap.check("R-48: class, source, rule, line and packets", expect(
        ((said["class"], said["source"], said["rule"], said["line"]) == ("model", "port", 1, 1), said),
        (said["rule_packets"] == 1 and "backup" in said["rule_text"], said), ("budget_us" in said, said)))
    text = ferry("net", "explain", DEVICE, "10.77.0.1:1", "10.9.0.2:2/tcp").text()
    tap.check("R-48: in words, by the line of the file", expect(("rule     2, line 3: prefix" in text, text)))
    text = ferry("net", "explain", DEVICE, "[::1]:1", "[::2]:2/tcp").text()
    tap.check("R-48: of IPv6", expect(("source   unset" in text, text)))
    for words, parts in [(("10.0.0.1:1", "10.0.0.2:2"), ("/tcp", "/udp")), (("10.0.0.1", "10.0.0.2:2/tcp"), ("10.0.0.1",)),
                         (("::1:1", "[::2]:2/tcp"), ("::1:1",)), (("10.0.0.1:1", "[::2]:2/tcp"), ("version",)),
                         (("10.0.0.1:65536", "10.0.0.2:2/tcp"), ("65536",))]:
        tap.check("explain " + " ".join(words), one_sentence(ferry("net", "explain", DEVICE, *words), *parts))


def check_rules(tap, rules):
    wrong = rules.with_name("wrong")
    wrong.write_text("port tcp/80 kv\nport tcp/80 swift\n")
    for words in (("--check", wrong), (DEVICE, wrong)):
        tap.check("line and column of a mistake", one_sentence(ferry("net", "rules", *words), f"{wrong}:2:13:"))
    for text, where in (("port tcp/80 kv\nprefix 10.0.0.0/8 in nosuch0 kv\n", "line 2, column 22: there is no interface"),
                        ("cgroup /no/such/group kv\n", "line 1, column 8: ")):
        wrong.write_text(text)
        tap.check("line and column of what is not there", one_sentence(ferry("net", "rules", DEVICE, wrong),
                                                                        f"{wrong}: {where}"))
    text = ferry("net", "rules", DEVICE, "--show").text()
    tap.check("and the rules stay", expect(("udp/7001" in text, text)))
    r = ferry("net", "rules", "--check", rules)
    tap.check("a file that is right", expect((r.status == 0 and r.text() == "2 rules\n", r.text())))
    other = rules.with_name("other")
    other.write_text("port udp/7001 to kv\n")
    r = ferry("net", "rules", DEVICE, other)
    text = ferry("net", "explain", DEVICE, "10.77.0.1:1", "10.77.0.2:7001/udp").text()
    tap.check("other rules hold at once", expect((r.status == 0, r.err), ("class    kv" in text, text)))
    ferry("net", "up", DEVICE)
    text = ferry("net", "rules", DEVICE).text()
    tap.check("and after the next up", expect(("to kv" in text and "prefix" not in text, text)))


def check_watch(tap):
    r = ferry("net", "watch", DEVICE, "--interval", "0.1", "--count", "2")
    lines = r.text().splitlines()
    tap.check("watch prints a line for each class", expect(
        (r.status == 0, r.err), (sum(line.startswith("token ") for line in lines) == 2, lines)))
    r = ferry("net", "watch", DEVICE, "--interval", "0.1", "--count", "2", "--json")
    objects = [json.loads(line) for line in r.text().splitlines()]
    tap.check("and objects", expect((len(objects) == 2 and "bytes" in objects[0]["decode"], r.text())))
    with subprocess.Popen([*FERRY, "net", "watch", DEVICE, "-i", "0.1"], stdout=subprocess.PIPE) as p:
        p.stdout.readline()
        p.send_signal(signal.SIGINT)
        p.stdout.read()
    tap.check("SIGINT ends it", expect((p.returncode == 0, p.returncode)))
    with subprocess.Popen([*FERRY, "net", "watch", DEVICE, "-i", "0.1"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as p:
        p.stdout.readline()
        p.stdout.close()
        said = p.stderr.read()
    tap.check("the end of the reader ends it", expect((p.returncode in (0, -signal.SIGPIPE), p.returncode), (not said, said)))


def check_nothing_leaks(tap):
    """R-43: what is known of single flows or who talks to whom is for root."""
    readable = as_user("find", "/sys/fs/bpf", "/run/ferry", "-type", "f", "-readable").stdout.split()
    names = [pathlib.Path(p).name for p in readable]
    tap.check("R-43: a user reads no pin and no rules", expect(
        (names and all(n.endswith(".json") for n in names), names)))
    told = "".join(pathlib.Path(p).read_text() for p in readable)
    tap.check("R-43: what a user reads names no peer", expect(("10.77" not in told and "7001" not in told, told)))
    for words in (("explain", DEVICE, "10.77.0.1:1", "10.77.0.2:7001/udp"), ("rules", DEVICE)):
        r = as_user(*FERRY, "net", *words)
        tap.check("R-43: not for a user: net " + words[0], expect(
            (r.returncode == 1, r.returncode), ("CAP_DAC_OVERRIDE" in r.stderr and len(r.stderr.splitlines()) == 1, r.stderr),
            (not r.stdout, r.stdout)))
    r = as_user(*FERRY, "net", "status", DEVICE, "--json")
    tap.check("R-43: status tells a user what is up, and nothing of the traffic that the classifier saw", expect(
        (r.returncode == 0, r.stderr), (json.loads(r.stdout)["classifier"]["known"] is False, r.stdout)))


def check_a_torn_record(tap, before):
    """A disk that was full, or a hand that slipped: what was written down ends in the middle."""
    folder = pathlib.Path("/run/with a space")
    folder.mkdir()
    (folder / "my rules").write_text(RULES)
    r = ferry("net", "up", DEVICE, "--rules", folder / "my rules")
    tap.check("rules in a folder with a space", expect(
        (r.status == 0, r.err), ("udp/7001" in ferry("net", "rules", DEVICE).text(), "other rules")))
    records = list(pathlib.Path("/run/ferry/net").glob("*.json"))
    tap.check("there is a record", expect((len(records) == 1, records)))
    for record in records:
        record.write_text(record.read_text()[:40])
    r = ferry("net", "status", DEVICE)
    tap.check("status gets along with a torn record", expect((r.status == 0, r.err), ("classifier" in r.text(), r.text())))
    r = ferry("net", "up", DEVICE)
    tap.check("up replaces a torn record", expect((r.status == 0, r.err)))
    r = ferry("net", "down", DEVICE)
    tap.check("down leaves what was found, though the record was torn", expect(
        (r.status == 0, r.err), (listing() == before, listing())))


def check_own_traffic(tap):
    """What the runtime sends goes by its own word, from the first packet on; nobody has to guess."""
    # The kernel's own router solicitations would be counted beside.
    made = sh(f"echo 1 >/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6 && ip netns add far && "
              "ip link set fe1 netns far && ip -n far addr add 10.77.0.2/24 dev fe1 && "
              f"ip -n far link set fe1 up && ip neigh flush dev {DEVICE} nud permanent")
    tap.check("a second namespace", expect((made.returncode == 0, made.stderr)))
    model = make_model(pathlib.Path("/run/m.gguf"))
    run = ("run", "-m", model, "-p", "The ferry", "-n", 12, "--greedy", "--ids")
    alone_ids = ferry(*run).text()
    before = json.loads(ferry("net", "status", DEVICE, "--json").out)["classifier"]["decided_by"]
    with Edge(model, "--insecure", listen="10.77.0.2:0", within=("ip", "netns", "exec", "far")) as edge:
        r = ferry(*run, "--edge", edge.address, "--insecure", "--split", 1)
    after = json.loads(ferry("net", "status", DEVICE, "--json").out)["classifier"]["decided_by"]
    tap.check("the same tokens over the link", expect((r.status == 0, r.err), (r.text() == alone_ids, r.text())))

    def grown(source, name):
        count = [n.get(source, {}).get(name, {}).get("packets", 0) for n in (before, after)]
        return count[1] - count[0]
    names = ("ctrl", "token", "decode", "prefill", "kv", "default", "model", "sync")
    tap.check("they went by the socket: greeting, prompt and tokens", expect(
        *[(grown("socket", name) > 0, (name, after)) for name in ("ctrl", "decode", "prefill")]))
    others = {(source, name): grown(source, name) for source in after for name in names
              if source not in ("socket", "not-ip") and grown(source, name)}
    tap.check("all of them", expect((not others, others)))
    left = sh("bpftool map dump pinned /sys/fs/bpf/ferry/*/sockets").stdout
    tap.check("and the register is empty again", expect(("Found 0 elements" in left or '"key"' not in left and
                                                         "key:" not in left, left)))


def main():
    tap = Tap()
    reason = alone()
    if reason:
        tap.skip("ferry net on an interface", reason)
        tap.done()
    rules = pathlib.Path("/run/rules")
    rules.write_text(RULES)
    before = listing()
    check_without_root(tap)
    check_nothing_is_up(tap)
    tap.check("none of that left anything", expect((listing() == before, listing())))
    check_up(tap, rules)
    check_explain(tap)
    check_nothing_leaks(tap)
    check_watch(tap)
    check_rules(tap, rules)
    with subprocess.Popen([*FERRY, "net", "watch", DEVICE, "-i", "0.1"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as p:
        p.stdout.readline()
        r = ferry("net", "down", DEVICE)
        p.stdout.read()
        said = p.stderr.read().decode()
    tap.check("watch ends where somebody takes it down", expect((p.returncode == 1 and "not up" in said, said)))
    tap.check("down leaves what was found", expect((r.status == 0, r.err), (listing() == before, listing())))
    check_a_torn_record(tap, before)
    ferry("net", "up", DEVICE, "--rules", rules)
    check_own_traffic(tap)
    with subprocess.Popen([*FERRY, "net", "watch", DEVICE, "-i", "0.1"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as p:
        p.stdout.readline()
        sh(f"ip link del {DEVICE}")
        p.stdout.read()
        said = p.stderr.read().decode()
    tap.check("watch ends with its interface", expect((p.returncode == 1 and "has gone" in said, said)))
    tap.check("status says that it has gone", expect(("has gone" in ferry("net", "status").text(), "")))
    r = ferry("net", "down", DEVICE)
    tap.check("down works without the interface", expect(
        (r.status == 0, r.err), ("fe0" not in ferry("net", "status").text(), "it is still there"),
        (not sh("find /run/ferry /sys/fs/bpf/ferry -type f | grep -v lock").stdout, "files are left")))
    tap.done()


if __name__ == "__main__":
    main()
