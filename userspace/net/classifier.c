/* SPDX-License-Identifier: MIT */
#include "net/classifier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if_arp.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/error.h"
#include "net/classifier_private.h"
#include "net/device.h"
#include "net/hook.h"

/* linux/if_arp.h and net/if_arp.h cannot both be included, and only the first has these. */
enum { LINK_RAWIP = 519, LINK_NONE = 0xfffe, ETHERNET_HEADER = 14 };

static const char *const map_names[FERRY_CLASSIFIER_MAPS] = {
	[FERRY_MAP_SETTINGS] = "settings",   [FERRY_MAP_COUNTERS] = "counters",
	[FERRY_MAP_HITS] = "hits",	     [FERRY_MAP_SOCKETS] = "sockets",
	[FERRY_MAP_CGROUPS] = "cgroups",     [FERRY_MAP_TRUSTED] = "trusted",
	[FERRY_MAP_PORT_BITS] = "port_bits", [FERRY_MAP_PORTS] = "ports",
	[FERRY_MAP_PREFIXES] = "prefixes",   [FERRY_MAP_NAMES] = "names",
	[FERRY_MAP_FLOWS] = "flows",
};

int ferry_classifier_fail(struct ferry_error *err, int code, const char *what)
{
	if (code == -EPERM || code == -EACCES)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -EPERM,
				  "%s takes root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON", what);
	return ferry_fail(err, FERRY_ERROR_SYSTEM, code, "%s failed: %s", what,
			  ferry_errno_text(code));
}

/* Bytes before the IP header of what the interface sends, or negative errno. */
static int link_header_of(const struct ferry_device *device, struct ferry_error *err)
{
	switch (device->type) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return ETHERNET_HEADER;
	case LINK_NONE:
	case LINK_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case 823: /* GRE over IPv6 */
		return 0;
	default:
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -ENODEV,
			"%s has a link header that the classifier does not know (type %d)",
			device->name, device->type);
	}
}

static struct ferry_classifier *classifier_new(unsigned int device, struct ferry_error *err)
{
	struct ferry_classifier *c = calloc(1, sizeof(*c));

	if (!c) {
		ferry_fail_memory(err, "a classifier", sizeof(*c));
		return NULL;
	}
	c->device = device;
	c->program = c->explain = c->pins.lock = -1;
	for (int i = 0; i < FERRY_CLASSIFIER_MAPS; i++)
		c->maps[i] = -1;
	return c;
}

static void close_fds(struct ferry_classifier *c)
{
	for (int i = 0; i < FERRY_CLASSIFIER_MAPS; i++) {
		if (c->maps[i] >= 0)
			close(c->maps[i]);
		c->maps[i] = -1;
	}
	if (c->program >= 0)
		close(c->program);
	if (c->explain >= 0)
		close(c->explain);
	c->program = c->explain = -1;
}

void ferry_classifier_close(struct ferry_classifier *c)
{
	if (!c)
		return;
	close_fds(c);
	ferry_pins_close(&c->pins);
	free(c);
}

int ferry_classifier_get_settings(struct ferry_classifier *c, struct ferry_error *err)
{
	const uint32_t zero = 0;

	if (bpf_map_lookup_elem(c->maps[FERRY_MAP_SETTINGS], &zero, &c->settings))
		return ferry_classifier_fail(err, -errno, "reading the classifier's settings");
	return 0;
}

int ferry_classifier_put_settings(struct ferry_classifier *c, struct ferry_error *err)
{
	const uint32_t zero = 0;

	if (bpf_map_update_elem(c->maps[FERRY_MAP_SETTINGS], &zero, &c->settings, BPF_ANY))
		return ferry_classifier_fail(err, -errno, "writing the classifier's settings");
	return 0;
}

static int get_pin(const struct ferry_classifier *c, const char *name)
{
	char path[FERRY_PIN_PATH + 64];

	ferry_pins_path(&c->pins, name, path);
	return bpf_obj_get(path);
}

/*
 * Opens what is pinned: 0, -ENOENT where something is missing, -ESTALE where it is of another
 * version.
 */
static int adopt(struct ferry_classifier *c, struct ferry_error *err)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);

	close_fds(c);
	for (int i = 0; i < FERRY_CLASSIFIER_MAPS; i++) {
		c->maps[i] = get_pin(c, map_names[i]);
		if (c->maps[i] < 0)
			return c->maps[i];
	}
	c->program = get_pin(c, "classify");
	c->explain = get_pin(c, "explain");
	if (c->program < 0 || c->explain < 0)
		return c->program < 0 ? c->program : c->explain;
	/* Of another version the value may be larger than what we give it room for. */
	if (bpf_obj_get_info_by_fd(c->maps[FERRY_MAP_SETTINGS], &info, &size) ||
	    info.value_size != sizeof(c->settings))
		return -ESTALE;
	if (ferry_classifier_get_settings(c, err))
		return -EIO;
	return c->settings.abi == FERRY_CLASSIFY_ABI ? 0 : -ESTALE;
}

static int silence(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* All zeros where the kernel does not say. */
static struct bpf_prog_info program_info(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		memset(&info, 0, sizeof(info));
	return info;
}

static uint32_t program_id(int fd)
{
	return program_info(fd).id;
}

static struct ferry_filter filter_of(const struct ferry_classifier *c)
{
	return (struct ferry_filter){.device = c->device, .made_clsact = c->settings.made_clsact};
}

/* Whether the pinned link is one that led to an interface that has gone. */
static bool link_is_dead(struct ferry_classifier *c)
{
	const int link = get_pin(c, "link");
	bool lives = true;

	if (link >= 0) {
		lives = ferry_hook_link_lives(link);
		close(link);
	}
	return !lives;
}

/* The hook by which it is attached, FERRY_HOOK_ANY where it is not. */
static enum ferry_classifier_hook attached_by(struct ferry_classifier *c)
{
	struct ferry_filter filter = filter_of(c);
	const int link = get_pin(c, "link");
	bool lives = false;

	if (link >= 0) {
		lives = ferry_hook_link_lives(link);
		close(link);
	}
	if (lives)
		return FERRY_HOOK_TCX;
	return ferry_hook_find(&filter, program_id(c->program)) ? FERRY_HOOK_CLSACT
								: FERRY_HOOK_ANY;
}

static int attach_link(struct ferry_classifier *c)
{
	char path[FERRY_PIN_PATH + 64];
	const int link = ferry_hook_link(c->device, c->program);
	int ret;

	if (link < 0)
		return link;
	ferry_pins_path(&c->pins, "link", path);
	unlink(path); /* of an interface that has gone */
	ret = bpf_obj_pin(link, path) ? -errno : 0;
	close(link);
	return ret;
}

static int attach_filter(struct ferry_classifier *c, struct ferry_error *err)
{
	struct ferry_filter filter = {.device = c->device};
	int ret = ferry_hook_has_clsact(c->device, err);

	if (ret < 0)
		return ret;
	/* Written down before it is done: whoever takes over after a crash has to know. */
	filter.made_clsact = !ret;
	c->settings.made_clsact = !ret;
	ret = ferry_classifier_put_settings(c, err);
	if (!ret)
		ret = ferry_hook_attach(&filter, c->program, err);
	if (ret || filter.made_clsact == c->settings.made_clsact)
		return ret;
	c->settings.made_clsact = filter.made_clsact;
	return ferry_classifier_put_settings(c, err);
}

static int attach(struct ferry_classifier *c, enum ferry_classifier_hook hook,
		  struct ferry_error *err)
{
	const enum ferry_classifier_hook now = attached_by(c);
	int ret;

	if (now != FERRY_HOOK_ANY) {
		if (hook == FERRY_HOOK_ANY || hook == now)
			return 0;
		return ferry_fail(err, FERRY_ERROR_CALLER, -EBUSY,
				  "the classifier is attached to interface %u by %s; stop it first",
				  c->device, now == FERRY_HOOK_TCX ? "tcx" : "clsact");
	}
	if (hook != FERRY_HOOK_CLSACT) {
		ret = attach_link(c);
		if (!ret)
			return 0;
		if (hook == FERRY_HOOK_TCX || ret != -EOPNOTSUPP)
			return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
					  "a tcx link cannot be added to interface %u: %s",
					  c->device, ferry_errno_text(ret));
	}
	return attach_filter(c, err);
}

/*
 * Whether what is pinned was made for another interface, whose index this one has now: then none of
 * it is any good.
 */
static bool is_stale(struct ferry_classifier *c, const struct ferry_device *device)
{
	return link_is_dead(c) || (!ferry_device_same(c->settings.identity, device->identity) &&
				   attached_by(c) == FERRY_HOOK_ANY);
}

/* Adopts or loads; c->settings are those that hold afterwards. -ESTALE: start over, once. */
static int prepare(struct ferry_classifier *c, const struct ferry_device *device,
		   struct ferry_error *err)
{
	int ret = adopt(c, err);

	if (ret == -ESTALE || (!ret && is_stale(c, device))) {
		struct ferry_filter filter = filter_of(c);

		/* Its filter must not outlive its maps; the clsact of another interface may. */
		filter.made_clsact = ret && filter.made_clsact;
		ferry_hook_detach(&filter, program_id(c->program), NULL);
		close_fds(c);
		ferry_pins_remove(&c->pins);
		ferry_pins_close(&c->pins);
		return -ESTALE;
	}
	if (!ret)
		return 0;
	if (ret != -ENOENT)
		return ferry_classifier_fail(err, ret, "opening the pinned classifier");
	ret = ferry_classifier_load(c, err);
	if (ret)
		return ret;
	ret = adopt(c, err);
	/* New maps hold zeros, and those that a crash left between pinning and here likewise. */
	if (ret && ret != -ESTALE)
		return ferry_classifier_fail(err, ret, "opening the pinned classifier");
	if (ret)
		memset(&c->settings, 0, sizeof(c->settings));
	return 0;
}

static void first_settings(struct ferry_classifier *c, const struct ferry_device *device)
{
	if (c->settings.abi == FERRY_CLASSIFY_ABI)
		return;
	c->settings.abi = FERRY_CLASSIFY_ABI;
	memset(c->settings.kinds, FERRY_CLASSIFY_NO_CLASS, sizeof(c->settings.kinds));
	c->settings.kinds[FERRY_BEHAVIOUR_TOKENS] = FERRY_CLASS_TOKEN;
	c->settings.kinds[FERRY_BEHAVIOUR_EXCHANGE] = FERRY_CLASS_DECODE;
	c->settings.kinds[FERRY_BEHAVIOUR_LONG_EXCHANGE] = FERRY_CLASS_PREFILL;
	/* Whatever its sender's DSCP says. */
	c->settings.kinds[FERRY_BEHAVIOUR_BULK] = FERRY_CLASS_DEFAULT;
	c->settings.device = c->device;
	c->settings.namespace = ferry_network_namespace();
	c->settings.identity = device->identity;
}

static int start(struct ferry_classifier *c, const struct ferry_classifier_options *options,
		 const struct ferry_device *device, int link_header, struct ferry_error *err)
{
	const uint32_t asked = FERRY_CLASSIFY_REWRITE_DSCP | FERRY_CLASSIFY_TUNNEL |
			       FERRY_CLASSIFY_CARRIER;
	int ret = ferry_pins_open(&c->pins, options->directory, c->device, 1, err);

	if (!ret)
		ret = prepare(c, device, err);
	if (ret == -ESTALE) {
		ret = ferry_pins_open(&c->pins, options->directory, c->device, 1, err);
		if (!ret)
			ret = prepare(c, device, err);
	}
	if (ret)
		return ret;
	first_settings(c, device);
	c->settings.major = options->major;
	c->settings.link_header = (uint8_t)link_header;
	c->settings.flags = (c->settings.flags & ~asked) |
			    (options->rewrite_dscp ? FERRY_CLASSIFY_REWRITE_DSCP : 0) |
			    (options->tunnel ? FERRY_CLASSIFY_TUNNEL : 0) |
			    (options->carrier ? FERRY_CLASSIFY_CARRIER : 0);
	ret = ferry_classifier_put_settings(c, err);
	return ret ? ret : attach(c, options->hook, err);
}

int ferry_classifier_start(struct ferry_classifier **out,
			   const struct ferry_classifier_options *options, struct ferry_error *err)
{
	libbpf_print_fn_t printer;
	struct ferry_classifier *c;
	struct ferry_device device;
	int link_header, ret;

	*out = NULL;
	if (options->size < sizeof(*options) || !options->device || !options->major ||
	    options->major == 0xffff)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -EINVAL,
			"the classifier needs an interface and the major of its qdisc, 1 to fffe");
	ret = ferry_device_find(options->device, &device, err);
	if (ret)
		return ret;
	link_header = link_header_of(&device, err);
	if (link_header < 0)
		return link_header;
	c = classifier_new(device.index, err);
	if (!c)
		return -ENOMEM;
	/* What it would print is in the errors, or is no error. */
	printer = libbpf_set_print(silence);
	ret = start(c, options, &device, link_header, err);
	libbpf_set_print(printer);
	ferry_pins_close(&c->pins);
	if (ret) {
		ferry_classifier_close(c);
		return ret;
	}
	*out = c;
	return 0;
}

int ferry_classifier_open(struct ferry_classifier **out, const char *device, const char *directory,
			  struct ferry_error *err)
{
	struct ferry_classifier *c;
	struct ferry_device found;
	int ret;

	*out = NULL;
	ret = ferry_device_find(device, &found, err);
	if (ret)
		return ret;
	c = classifier_new(found.index, err);
	if (!c)
		return -ENOMEM;
	ret = ferry_pins_open(&c->pins, directory, found.index, 0, err);
	if (!ret) {
		ret = adopt(c, err);
		if (!ret && is_stale(c, &found))
			ret = -ENOENT;
		if (ret == -ENOENT)
			ferry_fail(err, FERRY_ERROR_CALLER, ret, "no classifier runs on %s",
				   device);
		else if (ret == -ESTALE)
			ferry_fail(err, FERRY_ERROR_CALLER, ret,
				   "the classifier on %s is of another version; start it again",
				   device);
		else if (ret)
			ferry_classifier_fail(err, ret, "opening the pinned classifier");
	}
	ferry_pins_close(&c->pins);
	if (ret) {
		ferry_classifier_close(c);
		return ret;
	}
	*out = c;
	return 0;
}

/* Takes away what there is, under the lock. What is there may be incomplete. */
static int take_away(struct ferry_classifier *c, struct ferry_error *err)
{
	struct ferry_filter filter;
	int link = get_pin(c, "link"), ret;

	if (link >= 0) {
		/* At once, and not when the last descriptor of it has gone. */
		bpf_link_detach(link);
		close(link);
	}
	filter = filter_of(c);
	ret = ferry_hook_detach(&filter, program_id(c->program), err);
	if (!ret)
		ferry_pins_remove(&c->pins);
	return ret;
}

int ferry_classifier_stop(struct ferry_classifier *c, struct ferry_error *err)
{
	char root[FERRY_PIN_PATH];
	const unsigned int device = c->device;

	memcpy(root, c->pins.root, sizeof(root));
	ferry_classifier_close(c);
	return ferry_classifier_clear(device, root, err);
}

int ferry_classifier_clear(unsigned int device, const char *directory, struct ferry_error *err)
{
	struct ferry_classifier *c = classifier_new(device, err);
	libbpf_print_fn_t printer;
	int ret;

	if (!c)
		return -ENOMEM;
	printer = libbpf_set_print(silence);
	ret = ferry_pins_open(&c->pins, directory, device, 0, err);
	if (!ret) {
		if (adopt(c, NULL))
			memset(&c->settings, 0, sizeof(c->settings));
		ret = take_away(c, err);
	} else if (ret == -ENOENT) {
		/* Killed after the last pin of it, or before the first. */
		ferry_pins_tidy(&c->pins);
		ret = 0;
	}
	libbpf_set_print(printer);
	ferry_classifier_close(c);
	return ret;
}

/* Which tier runs, and why not the next. */
static void tell_tier(struct ferry_classifier_status *status, const struct bpf_prog_info *program)
{
	const char *why;

	status->tier = ferry_classifier_tier_of(program->name);
	if (status->tier == 2)
		why = "ferry.ko tells each packet whose verdicts its device takes";
	else if (!access(FERRY_CLASSIFIER_MODULE_BTF, F_OK))
		why = "ferry.ko came later, or the kernel refuses what calls it: verdicts carry the "
		      "handle that was given at the start";
	else if (!access("/sys/module/ferry", F_OK))
		why = "ferry.ko was built without BTF: verdicts carry the handle that was given at "
		      "the start";
	else
		why = "ferry.ko is not loaded: verdicts carry the handle that was given at the "
		      "start";
	snprintf(status->why, sizeof(status->why), "%s", why);
}

int ferry_classifier_status(struct ferry_classifier *c, struct ferry_classifier_status *status,
			    struct ferry_error *err)
{
	const int ret = ferry_classifier_get_settings(c, err);
	struct bpf_prog_info program;
	libbpf_print_fn_t printer;

	if (ret)
		return ret;
	memset(status, 0, sizeof(*status));
	status->device = c->device;
	status->major = c->settings.major;
	program = program_info(c->program);
	status->program = program.id;
	tell_tier(status, &program);
	status->rewrite_dscp = c->settings.flags & FERRY_CLASSIFY_REWRITE_DSCP;
	status->rule_changes = c->settings.epoch;
	printer = libbpf_set_print(silence);
	status->hook = attached_by(c);
	libbpf_set_print(printer);
	status->attached = status->hook != FERRY_HOOK_ANY;
	return 0;
}
