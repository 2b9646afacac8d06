#!/bin/sh
# SPDX-License-Identifier: MIT
# R-40: each allocation of links, qdiscs and netlink requests fails once; nothing breaks, and no event is lost
# without a word.
set -eu
. "$(dirname "$0")/../outcome.sh"
. "$(dirname "$0")/failures.sh"
insmod "$BUILD/kmod-$(uname -r)/ferry.ko"
begin_failures
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/failing_requests.py" || fail "see above"
end_failures
rmmod ferry || fail "ferry.ko does not unload"
