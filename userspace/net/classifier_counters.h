/* SPDX-License-Identifier: MIT */
/*
 * The classifier's counters, for who may read root's files but not write them: its pin is opened
 * each time, so that a classifier that was replaced is found again.
 */
#ifndef FERRY_NET_CLASSIFIER_COUNTERS_H
#define FERRY_NET_CLASSIFIER_COUNTERS_H

#include <stdint.h>

#include <classify.h>

#include "base/error.h"

/**
 * ferry_classifier_counters - packets by who decided, since the classifier was started
 * @device: ifindex
 * @directory: of the pins; NULL: the usual one
 * @packets: [FERRY_CLASSIFY_SOURCES]
 *
 * Return: 0, -ENOENT where no classifier runs, -ESTALE where it is of another version, or what the
 * kernel said, with @err filled.
 */
int ferry_classifier_counters(unsigned int device, const char *directory,
			      uint64_t packets[FERRY_CLASSIFY_SOURCES], struct ferry_error *err);

#endif
