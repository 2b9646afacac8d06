# SPDX-License-Identifier: MIT
# Sourced by the tests of this folder: how a test says what came of it.

# fail SENTENCE: the test has found something wrong.
fail() {
	echo "FAIL: $*"
	exit 1
}

# skip REASON: the test cannot be run here.
skip() {
	echo "SKIP: $*"
	exit 77
}

# expect WHAT ACTUAL EXPECTED: fails unless both are the same.
expect() {
	[ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# refused SENTENCE COMMAND...: fails if the command succeeds; the sentence says what it would mean.
refused() {
	sentence=$1
	shift
	if "$@" >/dev/null 2>&1; then fail "$sentence"; fi
}
