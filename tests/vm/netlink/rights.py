# SPDX-License-Identifier: MIT
"""R-07: who may use which command and join which group.

Roles: root; root of a user namespace, in a network namespace of its own and in the machine's; a user.
Every command and group that the family says it has stands in the table: one that is added without a
row fails.
"""
import ctypes
import errno
import os

from genl import NLM_F_DUMP, C, Genl, Refused, attr

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_DUMPABLE = 4
NOBODY = 1000

ROLES = ("root", "container root", "container root on the machine's links", "user")
ALL, ROOT, LINKS = (1, 1, 1, 1), (1, 0, 0, 0), (1, 1, 0, 0)

LO = attr(C["FERRY_LINK_A_IFINDEX"], 1)
NAME = attr(C["FERRY_ENERGY_A_NAME"], "nosuch")

# command, request, flags, who may
COMMANDS = [
    ("LINK_GET", LO, 0, ALL),
    ("LINK_GET", b"", NLM_F_DUMP, ALL),
    ("LINK_SET", LO + attr(C["FERRY_LINK_A_PROVENANCE"], C["FERRY_PROVENANCE_FAKE"])
     + attr(C["FERRY_LINK_A_SRTT_US"], 1), 0, LINKS),
    ("ENERGY_GET", NAME, 0, ROOT),
    ("ENERGY_GET", b"", NLM_F_DUMP, ROOT),
    ("ENERGY_SET", NAME, 0, ROOT),
    ("ENERGY_DEL", NAME, 0, ROOT),
    ("MODEL_SET", b"", 0, ROOT),
    ("MODE_GET", b"", 0, ALL),
    ("MODE_SET", attr(C["FERRY_MODE_A_MODE"], C["FERRY_MODE_NORMAL"]), 0, ROOT),
]
# A container's root may join "energy", and hears nothing there: events.py.
GROUPS = {"link": ALL, "energy": LINKS, "mode": ALL}


def become(role):
    libc = ctypes.CDLL(None, use_errno=True)
    if role == 0:
        return
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    # /proc/self belongs to root after a change of the user, but for this.
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    if role in (1, 2):
        flags = CLONE_NEWUSER | (CLONE_NEWNET if role == 1 else 0)
        if libc.unshare(flags):
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {NOBODY} 1"), ("gid_map", f"0 {NOBODY} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)


def outcome(call):
    """errno of the call, 0 if it succeeds."""
    try:
        call()
    except Refused as refused:
        return refused.errno
    except OSError as error:
        return error.errno
    return 0


def check(role):
    problems = []
    family = Genl()
    rows = {C["FERRY_CMD_" + name] for name, *_ in COMMANDS}
    if rows != family.commands:
        problems.append(f"the family has the commands {family.commands}, the table {rows}")
    if set(GROUPS) != set(family.groups):
        problems.append(f"the family has the groups {family.groups}, the table {set(GROUPS)}")
    for name, payload, flags, may in COMMANDS:
        got = outcome(lambda: family.request(name, payload, flags))
        if (got != errno.EPERM) != bool(may[role]):
            problems.append(f"{ROLES[role]}: {name} (flags {flags}) ends with {errno.errorcode.get(got, got)}")
        # What concerns links and the mode succeeds where it is allowed: the requests are right.
        if may[role] and got and name.startswith(("LINK", "MODE_")):
            problems.append(f"{ROLES[role]}: {name} fails with {errno.errorcode.get(got, got)}")
    for name, may in GROUPS.items():
        got = outcome(lambda: family.join(name))
        if got != (0 if may[role] else errno.EPERM):
            problems.append(f"{ROLES[role]}: joining {name} ends with {errno.errorcode.get(got, got)}")
    return problems


def problems():
    found = []
    for role in range(len(ROLES)):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                become(role)
                text = "\n".join(check(role))
            except BaseException as error:  # pylint: disable=broad-except
                text = f"{ROLES[role]}: {error!r}"
            os.write(write, text.encode() or b"-")
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        if not text:
            found.append(f"{ROLES[role]}: no answer")
        elif text != "-":
            found += text.split("\n")
    return found
