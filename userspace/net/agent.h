/* SPDX-License-Identifier: MIT */
/*
 * The daemon of a gateway: looks at links and energy once a second, pushes what it reads into
 * ferry.ko while that is loaded, hands joules out to services, follows the links that were brought
 * up with --autorate, and tells metrics. One thread; whatever ends it, what it set up for others
 * (rates, classifiers) stays as it is.
 */
#ifndef FERRY_NET_AGENT_H
#define FERRY_NET_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"

enum { FERRY_AGENT_SERVICES_MAX = 64 };

/* A process whose joules are counted for themselves. */
struct ferry_agent_service {
	const char *name;
	pid_t process;
};

struct ferry_agent_options {
	size_t size;	       /* of this struct */
	const char *root;      /* NULL: /sys */
	const char *directory; /* of the lock and of the settings of autorate; NULL: /run/ferry */
	const char *cgroup;    /* what is watched of processes and connections; NULL: all */
	uint32_t interval_ms;  /* between two looks; 0: 1000 */
	const char *listen;    /* metrics; NULL: nobody can ask */
	const char *user;      /* to become, once everything is open; NULL: stay who we are */
	bool unconfined;       /* give up nothing; to find out why something is refused */
	const struct ferry_agent_service *services; /* [n_services] */
	size_t n_services;
	const char *version;
	const struct ferry_log *log; /* each decision; outlives the agent */
};

struct ferry_agent;

/**
 * ferry_agent_open - take the lock, open everything, give up every other privilege
 *
 * What is missing (BPF, nl80211, ferry.ko) is logged once and done without. Return: 0, -EBUSY where
 * another agent runs, or another negative errno with @err filled.
 */
int ferry_agent_open(struct ferry_agent **agent, const struct ferry_agent_options *options,
		     struct ferry_error *err);

/* Works until SIGTERM or SIGINT. Return: 0, or a negative errno with @err filled. */
int ferry_agent_run(struct ferry_agent *agent, struct ferry_error *err);

void ferry_agent_close(struct ferry_agent *agent);

#endif
