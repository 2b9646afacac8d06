#!/bin/bash
# SPDX-License-Identifier: MIT
# What is missing is named in one sentence, with status 125, before anything is started.
set -eu
. "$(dirname "$0")/../outcome.sh"
run=$(cd "$(dirname "$0")/../../.." && pwd)/scripts/vm/run
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# says WORDS COMMAND...
says() {
	local words=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	expect "exit status of '$*'" $status 125
	expect "lines of '$*'" "$(wc -l <<<"$output")" 1
	[[ $output == *"$words"* ]] || fail "'$*' says '$output'"
}

# A PATH that has every command but one.
path_without() {
	local dir command
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
		for command in "$dir"/*; do ln -s "$command" "$work/bin/" 2>/dev/null || true; done
	done
	rm -f "$work/bin/$1"
}

path_without qemu-system-x86_64
says "qemu-system-x86_64 is not installed" env PATH="$work/bin" "$run" /bin/true
path_without busybox
says "busybox is not installed" env PATH="$work/bin" "$run" /bin/true
says "no kernel image /boot/vmlinuz-0.0.1" "$run" --kernel 0.0.1 /bin/true
says "no executable file" "$run" "$work/absent"
says "no SCRIPT was named" "$run"
says "whole seconds, not '0'" "$run" --timeout 0 /bin/true
says "whole megabytes, not '1G'" "$run" --memory 1G /bin/true
says "1 to 8, not '0'" "$run" --cpus 0 /bin/true
says "unknown option '--kernle'" "$run" --kernle x /bin/true
"$run" --help | grep -q '^usage: ' || fail "--help prints no usage"
