#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ferry keys`, and what `ferry edge` and `ferry run --edge` make of the keys: pinned ones, and a CA's."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from rig import Edge, Tap, expect, ferry, make_model, one_sentence

FINGERPRINT = re.compile(r"^ferry1:[a-z2-7]{52}$")


def cut_off(result):
    """What a device says whose key is revoked: when it connects, or with tokens on the way already."""
    lines = result.err.splitlines()
    return expect((result.status == 1, result.status), (len(lines) == 1 and "revoked" in lines[0], lines))


def new_key(folder):
    return ferry("keys", "new", "--keys", folder).text().strip()


def verbs(tap, tmp):
    mine, other = tmp / "mine", new_key(tmp / "other")
    tap.check("there is no key before it is made", one_sentence(ferry("keys", "show", "--keys", mine), "ferry keys new"))
    r = ferry("keys", "new", "--keys", mine)
    shown = ferry("keys", "show", "--keys", mine)
    tap.check("new makes a key and prints its fingerprint, show prints it again", expect(
        (r.status == 0, r.err), (FINGERPRINT.match(r.text().strip()), r.text()), (shown.out == r.out, shown.text()),
        ((mine / "key.pem").stat().st_mode & 0o777 == 0o600, "others may read it"),
        (mine.stat().st_mode & 0o777 == 0o700, "others may look into its folder")))
    tap.check("a key is not replaced", one_sentence(ferry("keys", "new", "--keys", mine), "key.pem"))
    key = (mine / "key.pem").read_bytes()
    (mine / "key.pem").chmod(0o640)
    tap.check("a key that others may read is not used", one_sentence(
        ferry("keys", "show", "--keys", mine), "key.pem", "640", "chmod"))
    (mine / "key.pem").chmod(0o600)
    tap.check("and is what it was", expect(((mine / "key.pem").read_bytes() == key, "it changed")))

    r = ferry("keys", "list", "--keys", mine)
    tap.check("nobody is trusted at first", expect((r.status == 0 and not r.out, r.text() + r.err)))
    tap.check("trust wants a role", one_sentence(ferry("keys", "trust", other, "--keys", mine), "--role"))
    r = ferry("keys", "trust", other, "--role", "device", "--name", "phone", "--models", "0011223344", "--kv-memory", 64,
              "--max-sessions", 2, "--expires", "2099-12-31", "--keys", mine)
    line = f"{other} phone role=device models=0011223344 kv=64 sessions=2 expires=2099-12-31\n"
    tap.check("trust writes a line and prints it", expect(
        (r.text() == line, r.text() + r.err), ((mine / "trust").read_text() == line, (mine / "trust").read_text())))
    tap.check("list says what holds", expect((ferry("keys", "list", "--keys", mine).text() == "trusted  " + line, "no")))
    r = ferry("keys", "trust", other, "--role", "device", "--expires", "2020-01-01", "--keys", mine)
    tap.check("a key without a name gets one from its fingerprint", expect((f" key-{other[7:15]} " in r.text(), r.text())))
    tap.check("list knows what has expired", expect((ferry("keys", "list", "--keys", mine).text()
                                                     .startswith("expired "), "no")))
    r = ferry("keys", "revoke", f"key-{other[7:15]}", "--keys", mine)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    tap.check("revoke leaves the line and says since when", expect((f"revoked={today}" in r.text(), r.text() + r.err),
                                                                   (ferry("keys", "list", "--keys", mine).text().startswith("revoked "), "no")))
    tap.check("revoking nobody", one_sentence(ferry("keys", "revoke", "nobody", "--keys", mine), "nobody"))
    (mine / "trust").write_text("# c\nnonsense\n")
    for verb in (["list"], ["trust", other, "--role", "edge"], ["revoke", other]):
        tap.check(f"a damaged trust file is named by line and column ({verb[0]})", one_sentence(
            ferry("keys", *verb, "--keys", mine), "trust, line 2, column 1"))
    tap.check("and left alone", expect(((mine / "trust").read_text() == "# c\nnonsense\n", "it changed")))
    for args, word in ((["x"], "'x'"), ([], "verb"), (["trust"], "fingerprint"), (["show", "x"], "'x'"),
                       (["list", "--role", "edge"], "--role"), (["trust", "ferry1:abc", "--role", "edge"], "fingerprint"),
                       (["trust", other, "--role", "edge", "--name", "a b"], "letters")):
        r = ferry("keys", *args, "--keys", tmp / "other")
        tap.check(f"ferry keys {' '.join(args)[:40]}", one_sentence(r, word) + expect((r.status == 2, r.status)))
    for option in (["--role", "king"], ["--expires", "2027-02-30"], ["--models", "12"], ["--kv-memory", "0"]):
        r = ferry("keys", "trust", other, *option)
        tap.check(f"ferry keys trust {' '.join(option)}", expect((r.status == 2 and option[0] in r.err, r.err)))
    with tempfile.TemporaryDirectory() as home:
        env = {k: v for k, v in os.environ.items() if k != "XDG_CONFIG_HOME"} | {"HOME": home}
        r = ferry("keys", "new", env=env)
        tap.check("the default is ~/.config/ferry", expect(
            (r.status == 0, r.err), ((pathlib.Path(home) / ".config/ferry/key.pem").exists(), "it is not there")))


def introduce(tmp, edge="edge", device="device"):
    """Two folders that trust each other."""
    fingerprints = {name: new_key(tmp / name) for name in (edge, device)}
    ferry("keys", "trust", fingerprints[device], "--role", "device", "--name", "phone", "--keys", tmp / edge)
    ferry("keys", "trust", fingerprints[edge], "--role", "edge", "--name", "gateway", "--keys", tmp / device)
    return fingerprints


def pinned(tap, tmp, model, greedy, text):
    fingerprints = introduce(tmp)
    keys = ["--keys", tmp / "device"]
    with Edge(model, "--keys", tmp / "edge") as edge:
        for split in ("0", "1", "auto"):
            r = ferry(*greedy, "--edge", edge.address, "--split", split, *keys)
            tap.check(f"the same tokens under encryption, --split {split}", expect((r.out == text, r.err)))
        there = ["--edge", edge.address, "--split", 1]
        tap.check("a device without keys is told what to do", one_sentence(
            ferry(*greedy, *there), edge.address, "AUTH", "ferry keys new"))
        tap.check("nor does --insecure help it", one_sentence(ferry(*greedy, *there, "--insecure"), "AUTH"))
        tap.check("--insecure and keys contradict each other", expect(
            ("--insecure" in ferry(*greedy, *there, *keys, "--insecure").err, "not said")))
        host, port = edge.address.rsplit(":", 1)
        if shutil.which("openssl"):
            r = subprocess.run(["openssl", "s_client", "-tls1_2", "-connect", edge.address], input=b"",
                               capture_output=True, timeout=60, check=False)
            tap.check("TLS 1.2 is refused", expect((r.returncode != 0 and b"alert" in r.stderr, r.stderr)))
        with socket.create_connection((host, int(port)), timeout=30) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = s.recv(4096)
            tap.check("an HTTP client gets no frame", expect((not answer.startswith(b"FRRY"), answer)))
        ferry("keys", "revoke", "phone", "--keys", tmp / "edge")
        deadline = time.monotonic() + 60
        while (r := ferry(*greedy, *there, *keys)).status == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        tap.check("a running edge takes note of a revoked key", cut_off(r))
        edge.errors.seek(0)
        log = edge.errors.read().decode()
        tap.check("and says whom it refused", expect(("refused" in log and "phone was revoked" in log, log)))
    with Edge(model) as edge:
        tap.check("a device with keys does without no encryption", one_sentence(
            ferry(*greedy, "--edge", edge.address, "--split", 1, *keys), "does not encrypt"))
    r = ferry("edge", "-m", model, "--listen", "127.0.0.1:0", "--keys", tmp / "nowhere")
    tap.check("an edge whose keys are not there does not start", one_sentence(r, "nowhere"))
    (tmp / "edge" / "trust").write_text("nonsense\n")
    r = ferry("edge", "-m", model, "--listen", "127.0.0.1:0", "--keys", tmp / "edge")
    tap.check("nor one whose trust file is damaged", one_sentence(r, "line 1, column 1"))


def own_keys(tap, tmp, model, greedy, text):
    """What is in ~/.config/ferry is used without being asked for."""
    env = os.environ | {"XDG_CONFIG_HOME": str(tmp / "config")}
    ferry("keys", "new", env=env)
    old = os.environ["XDG_CONFIG_HOME"]
    os.environ["XDG_CONFIG_HOME"] = env["XDG_CONFIG_HOME"]
    try:
        with Edge(model) as edge:
            r = ferry(*greedy, "--edge", edge.address, "--split", 1, env=env)
            tap.check("one machine with one key in both roles", expect((r.out == text, r.err)))
            r = ferry(*greedy, "--edge", edge.address, "--split", 1, env=os.environ | {"XDG_CONFIG_HOME": old})
            tap.check("others stay out", one_sentence(r, "AUTH"))
        r = ferry("edge", "-m", model, "--listen", "0.0.0.0:0", "--layers", "0:0", env=env)
        tap.check("off loopback it listens, or fails for another reason", expect(("--insecure" not in r.err, r.err)))
    finally:
        os.environ["XDG_CONFIG_HOME"] = old


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60)


def certify(tmp, name, days, san, ca="ca"):
    openssl("req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", tmp / f"{name}.key", "-out", tmp / f"{name}.csr",
            "-subj", f"/CN={name}")
    (tmp / f"{name}.ext").write_text(f"subjectAltName={san}\n")
    openssl("x509", "-req", "-in", tmp / f"{name}.csr", "-CA", tmp / f"{ca}.pem", "-CAkey", tmp / f"{ca}.key",
            "-CAcreateserial", "-days", days, "-extfile", tmp / f"{name}.ext", "-out", tmp / f"{name}.pem")
    (tmp / f"{name}.key").chmod(0o600)
    return ["--ca", tmp / f"{ca}.pem", "--cert", tmp / f"{name}.pem", "--key", tmp / f"{name}.key"]


def certified(tap, tmp, model, greedy, text):
    if not shutil.which("openssl"):
        tap.skip("a CA's certificates", "the openssl command is missing")
        return
    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", tmp / f"{ca}.key", "-out", tmp / f"{ca}.pem",
                "-subj", f"/CN={ca}", "-days", 10)
    edge_files = certify(tmp, "gateway", 10, "IP:127.0.0.1,DNS:localhost")
    device = certify(tmp, "phone", 10, "DNS:phone")
    with Edge(model, *edge_files) as edge:
        there = ["--edge", edge.address, "--split", 1]
        r = ferry(*greedy, *there, *device)
        tap.check("certificates of one CA: the same tokens", expect((r.out == text, r.err)))
        r = ferry(*greedy, "--edge", edge.address.replace("127.0.0.1", "localhost"), "--split", 1, *device)
        tap.check("by its name, too", expect((r.out == text, r.err)))
        tap.check("a certificate that has expired", one_sentence(
            ferry(*greedy, *there, *certify(tmp, "late", -1, "DNS:late")), "expired"))
        tap.check("a certificate of another CA", one_sentence(
            ferry(*greedy, *there, *certify(tmp, "stranger", 10, "DNS:s", "other-ca")), "certificate"))
        mixed = ["--ca", tmp / "ca.pem", *certify(tmp, "fake", 10, "DNS:f", "other-ca")[2:]]
        tap.check("who trusts the right CA but comes from another", one_sentence(
            ferry(*greedy, *there, *mixed), "does not know the CA"))
        tap.check("a pinned key is no certificate", one_sentence(
            ferry(*greedy, *there, "--keys", tmp / "device"), edge.address))
        tap.check("three go together", expect(("go together" in ferry(*greedy, *there, *device[:4]).err, "not said")))
        (tmp / "phone.key").chmod(0o644)
        tap.check("a key that others may read", one_sentence(ferry(*greedy, *there, *device), "phone.key", "644"))
        (tmp / "phone.key").chmod(0o600)
    with Edge(model, *certify(tmp, "elsewhere", 10, "DNS:elsewhere.example")) as edge:
        tap.check("a certificate for another host", one_sentence(
            ferry(*greedy, "--edge", edge.address, "--split", 1, *device), "certificate", "mismatch"))
    # A trust file beside a CA limits, and takes away.
    limits = tmp / "limits"
    fingerprint = new_key(limits)
    with Edge(model, *edge_files, "--keys", limits) as edge:
        there = ["--edge", edge.address, "--split", 1]
        r = ferry(*greedy, *there, *device)
        tap.check("a trust file without a line for it takes nothing away", expect((r.out == text, r.err)))
        openssl("pkey", "-in", tmp / "phone.key", "-pubout", "-outform", "DER", "-out", tmp / "phone.der")
        import base64
        import hashlib
        digest = hashlib.sha256((tmp / "phone.der").read_bytes()).digest()
        fingerprint = "ferry1:" + base64.b32encode(digest).decode().lower().rstrip("=")
        ferry("keys", "revoke", fingerprint, "--keys", limits)
        deadline = time.monotonic() + 60
        while (r := ferry(*greedy, *there, *device)).status == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        tap.check("a certified key can be revoked by its fingerprint", cut_off(r))


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "Q8_0")
        greedy = ["run", "-m", model, "-p", "The ferry", "-n", 8, "--greedy", "--ids"]
        text = ferry(*greedy).out
        n_layers = json.loads(ferry("info", "-m", model, "--json").text())["n_layers"]
        tap.check("a model and its tokens", expect((text and n_layers > 1, text)))
        for folder in ("verbs", "pinned", "own", "ca"):
            (tmp / folder).mkdir()
        verbs(tap, tmp / "verbs")
        pinned(tap, tmp / "pinned", model, greedy, text)
        own_keys(tap, tmp / "own", model, greedy, text)
        introduce(tmp / "ca")
        certified(tap, tmp / "ca", model, greedy, text)
    tap.done()


if __name__ == "__main__":
    main()
