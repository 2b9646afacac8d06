/* SPDX-License-Identifier: MIT */
/*
 * Where the maps and programs of a classifier stay: a directory for each interface of each network
 * namespace on a BPF file system.
 */
#ifndef FERRY_NET_PINS_H
#define FERRY_NET_PINS_H

#include "ferry/error.h"

enum { FERRY_PIN_PATH = 256 };

/* The directory of an interface, and the lock on it of who is at work there. */
struct ferry_pins {
	char root[FERRY_PIN_PATH];
	char path[FERRY_PIN_PATH];
	int lock; /* descriptor, -1 */
};

/**
 * ferry_pins_open - find or make the directory, and lock it
 * @root: on a BPF file system, made with mode 0700 where it is not there; NULL for the usual one
 * @device: ifindex
 * @make: false: -ENOENT where there is none; true: also removes what interfaces left that went
 *        with their network namespaces
 *
 * Return: 0, -ENOENT, -ENOTDIR where that is no BPF file system, -EBUSY where another process
 * holds the lock for longer than half a minute, -ENAMETOOLONG or what the system said.
 */
int ferry_pins_open(struct ferry_pins *pins, const char *root, unsigned int device, int make,
		    struct ferry_error *err);

/* Lets the lock go. May be called again. */
void ferry_pins_close(struct ferry_pins *pins);

/* Path of the pin @name into @path; one that is cut short does not exist. */
void ferry_pins_path(const struct ferry_pins *pins, const char *name,
		     char path[FERRY_PIN_PATH + 64]);

/* Removes every pin of the interface and its directory, and what interfaces share with the last. */
void ferry_pins_remove(struct ferry_pins *pins);

/* Removes what interfaces share, and the root, where no interface is left. */
void ferry_pins_tidy(const struct ferry_pins *pins);

#endif
