# SPDX-License-Identifier: MIT
# The front door. Meson builds userspace and BPF, Kbuild builds the module; `make help` lists
# what can be asked for.
BUILD   ?= build
DESTDIR ?=
PREFIX  ?= /usr/local
MODEL   ?=

MESON_SETUP = meson setup --prefix=$(PREFIX)
NINJA       = ninja

.DEFAULT_GOAL := all
.PHONY: all demo check check-arm asan fuzz chaos bench install uninstall kmod modules_install modules_uninstall debug-kernel vm-check vm-debug vm-bench format format-check setup clean help

all: $(BUILD)/build.ninja ## build the library, the command and the BPF programs into build/
	$(NINJA) -C $(BUILD)

$(BUILD)/build.ninja:
	$(MESON_SETUP) $(BUILD)

setup: ## install the Debian packages that are missing
	scripts/setup.sh

demo: setup all ## a device and an edge node write a story together (MODEL=path for another GGUF)
	BUILD=$(BUILD) MODEL="$(MODEL)" scripts/demo

check: setup ## every test, with and without sanitizers, a short fuzz run, and vm-check
	BUILD=$(BUILD) scripts/check

check-arm: ## every test that user emulation can run, built for aarch64 into build-arm/
	scripts/setup.sh arm
	scripts/check-arm

asan: setup ## build with address and undefined-behaviour sanitizers into build-asan/ and run the tests
	scripts/check asan

fuzz: setup ## fuzz every decoder for FUZZ_SECONDS each (default 600)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} scripts/check fuzz

chaos: setup all ## break links and edges under conversations, FAULTS times (default 2000), from SEED (default 1)
	$(BUILD)/tests/node/test_chaos -n $${FAULTS:-2000} -s $${SEED:-1}

bench: setup all ## print the figures of Documentation/measuring.md that come from this machine
	BUILD=$(BUILD) scripts/bench

kmod: ## build ferry.ko for every kernel whose headers are installed, into build/kmod-VERSION/
	scripts/setup.sh kernel
	BUILD=$(BUILD) scripts/kmod-build.sh

modules_install: ## put ferry.ko, built by `make kmod`, where modprobe finds it, under $(DESTDIR)/
	BUILD=$(BUILD) scripts/kmod-install --root "$(DESTDIR)/"

modules_uninstall: ## take ferry.ko away from there
	BUILD=$(BUILD) scripts/kmod-install --root "$(DESTDIR)/" --uninstall

debug-kernel: ## build Debian's kernel with every check switched on, once, into the user's cache
	scripts/setup.sh debug
	scripts/debug-kernel

vm-check: setup all ## load ferry.ko in Debian's kernels under QEMU and run the tests of tests/vm
	scripts/setup.sh vm dkms
	BUILD=$(BUILD) tests/vm/run-all

vm-debug: setup all debug-kernel ## load ferry.ko in the debug kernel under QEMU, and fail its memory and fuzz it
	scripts/setup.sh vm
	BUILD=$(BUILD) tests/vm/run-debug

vm-bench: setup all kmod ## measure the qdisc beside fq_codel and cake on an emulated gateway (READINGS="bulk16 cost")
	scripts/setup.sh vm
	BUILD=$(BUILD) scripts/vm-bench $(READINGS)

# A build directory remembers its prefix, so one that is given here has to be told to it. Meson
# would take a relative DESTDIR as one below the build directory.
install: all ## install under $(DESTDIR)$(PREFIX)
	$(if $(filter-out file,$(origin PREFIX)),meson configure $(BUILD) -Dprefix=$(PREFIX) && $(NINJA) -C $(BUILD))
	DESTDIR=$(abspath $(DESTDIR)) meson install -C $(BUILD) --no-rebuild

uninstall: ## remove what `make install` of this build directory installed
	$(NINJA) -C $(BUILD) uninstall

format: ## apply .clang-format to every C file
	scripts/format

format-check: ## say which C files `make format` would change
	scripts/format --check

clean: ## remove the build directories
	rm -rf $(BUILD) build-arm build-asan build-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
