/* SPDX-License-Identifier: MIT */
#include "net/gateway_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"

enum {
	RECORD_VERSION = 1,
	LOCK_TRIES = 600,
	LOCK_PAUSE_MS = 100,
	NAME_BYTES = 80,
	FILE_BYTES = FERRY_GATEWAY_PATH + NAME_BYTES,
	RULES_BYTES_MAX = 1 << 20,
};

static const char *const how_names[] = {
	[FERRY_GATEWAY_MADE] = "made",
	[FERRY_GATEWAY_USED] = "used",
	[FERRY_GATEWAY_LEFT] = "left",
};

static const char *directory_of(const char *path)
{
	return path ? path : FERRY_GATEWAY_DIRECTORY;
}

static void file_name(const char *directory, unsigned int device, const char *ending,
		      char name[FILE_BYTES])
{
	snprintf(name, FILE_BYTES, "%s/%" PRIu64 "-%u.%s", directory, ferry_network_namespace(),
		 device, ending);
}

static int make_directory(const char *path, struct ferry_error *err)
{
	char parent[FERRY_GATEWAY_PATH];
	char *slash;

	if (!mkdir(path, 0755) || errno == EEXIST)
		return 0;
	if (errno == ENOENT) {
		snprintf(parent, sizeof(parent), "%s", path);
		slash = strrchr(parent, '/');
		if (slash && slash != parent) {
			*slash = 0;
			if ((!mkdir(parent, 0755) || errno == EEXIST) && !mkdir(path, 0755))
				return 0;
		}
	}
	return ferry_fail(err, FERRY_ERROR_SYSTEM, errno == EACCES ? -EPERM : -errno,
			  "%s cannot be made: %s", path, ferry_errno_text(-errno));
}

int ferry_gateway_lock(struct ferry_gateway_records *records, const char *path, bool make,
		       struct ferry_error *err)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
	char name[FILE_BYTES];
	int ret;

	records->lock = -1;
	path = directory_of(path);
	if (strlen(path) >= sizeof(records->path))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
				  "the path of the records is longer than %d bytes",
				  FERRY_GATEWAY_PATH - 1);
	memcpy(records->path, path, strlen(path) + 1);
	ret = make ? make_directory(path, err) : 0;
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "%s/lock", path);
	records->lock = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);
	if (records->lock < 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, errno == EACCES ? -EPERM : -errno,
				  "%s cannot be opened: %s", name, ferry_errno_text(-errno));
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(records->lock, LOCK_EX | LOCK_NB))
			return 0;
		nanosleep(&pause, NULL);
	}
	ferry_gateway_unlock(records);
	return ferry_fail(
		err, FERRY_ERROR_SYSTEM, -EBUSY,
		"another `ferry net up` or `down` has been at work for a minute; try again");
}

void ferry_gateway_unlock(struct ferry_gateway_records *records)
{
	if (records->lock >= 0)
		close(records->lock);
	records->lock = -1;
}

static json_t *found_to_json(const struct ferry_gateway_record *r)
{
	char hex[2 * FERRY_QDISC_OPTIONS + 1] = "";
	const struct ferry_qdisc *q = &r->found;

	for (size_t i = 0; i < q->option_bytes && i < sizeof(q->options); i++)
		snprintf(hex + 2 * i, 3, "%02x", q->options[i]);
	return json_pack("{s:s, s:I, s:I, s:s, s:b, s:i}", "kind", q->kind, "handle",
			 (json_int_t)q->handle, "parent", (json_int_t)q->parent, "options", hex,
			 "clsact", (int)r->found_clsact, "filters", (int)r->found_filters);
}

static json_t *wish_to_json(const struct ferry_qdisc_wish *w)
{
	json_t *o = json_object();

	if (w->has_rate)
		json_object_set_new(o, "rate", json_integer((json_int_t)w->rate));
	if (w->has_overhead)
		json_object_set_new(o, "overhead", json_integer(w->overhead));
	if (w->has_mpu)
		json_object_set_new(o, "mpu", json_integer(w->mpu));
	return o;
}

int ferry_gateway_write(const struct ferry_gateway_records *records,
			const struct ferry_gateway_record *r, struct ferry_error *err)
{
	char name[FILE_BYTES], fresh[FILE_BYTES];
	json_t *root = json_pack(
		"{s:i, s:I, s:I, s:i, s:s, s:s, s:I, s:b, s:o, s:o, s:i, s:b, s:b, s:b, s:s}",
		"version", RECORD_VERSION, "namespace", (json_int_t)r->namespace, "identity",
		(json_int_t)r->identity, "device", (int)r->device, "name", r->name, "how",
		how_names[r->how], "handle", (json_int_t)r->handle, "changed", (int)r->changed,
		"found", found_to_json(r), "qdisc", wish_to_json(&r->qdisc), "hook", (int)r->hook,
		"dscp", (int)r->rewrite_dscp, "tunnel", (int)r->tunnel, "carrier", (int)r->carrier,
		"rules", r->rules);
	int ret = 0;

	if (!root)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the name of the interface or of the rules file is not UTF-8");
	file_name(records->path, r->device, "json.new", fresh);
	file_name(records->path, r->device, "json", name);
	unlink(fresh);
	if (json_dump_file(root, fresh, JSON_INDENT(1)) || chmod(fresh, 0644) ||
	    rename(fresh, name))
		ret = ferry_fail(err, FERRY_ERROR_SYSTEM, errno ? -errno : -EIO,
				 "%s cannot be written: %s", name, ferry_errno_text(-errno));
	json_decref(root);
	return ret;
}

static bool hex_to_options(const char *hex, struct ferry_qdisc *q)
{
	const size_t n = strlen(hex) / 2;
	unsigned int byte;

	if (n > sizeof(q->options) || strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		q->options[i] = (uint8_t)byte;
	}
	q->option_bytes = n;
	return true;
}

static bool wish_from_json(struct ferry_qdisc_wish *w, const json_t *o)
{
	const json_t *rate = json_object_get(o, "rate"), *mpu = json_object_get(o, "mpu");
	const json_t *overhead = json_object_get(o, "overhead");

	w->has_rate = json_is_integer(rate);
	w->rate = (uint64_t)json_integer_value(rate);
	w->has_mpu = json_is_integer(mpu);
	w->mpu = (uint32_t)json_integer_value(mpu);
	w->has_overhead = json_is_integer(overhead);
	w->overhead = (int32_t)json_integer_value(overhead);
	return json_is_object(o);
}

static bool record_from_json(struct ferry_gateway_record *r, const json_t *root)
{
	json_int_t namespace, identity, handle, found_handle, parent;
	int version, device, changed, hook, dscp, tunnel, carrier, clsact, filters;
	const char *name, *how, *kind, *options, *rules;
	json_t *qdisc;

	memset(r, 0, sizeof(*r));
	if (json_unpack((json_t *)root,
			"{s:i, s:I, s:I, s:i, s:s, s:s, s:I, s:b, s:o, s:i, s:b, s:b, s:b, s:s, "
			"s:{s:s, s:I, s:I, s:s, s:b, s:i}}",
			"version", &version, "namespace", &namespace, "identity", &identity,
			"device", &device, "name", &name, "how", &how, "handle", &handle, "changed",
			&changed, "qdisc", &qdisc, "hook", &hook, "dscp", &dscp, "tunnel", &tunnel,
			"carrier", &carrier, "rules", &rules, "found", "kind", &kind, "handle",
			&found_handle, "parent", &parent, "options", &options, "clsact", &clsact,
			"filters", &filters) ||
	    version != RECORD_VERSION || strlen(name) >= sizeof(r->name) ||
	    strlen(kind) >= sizeof(r->found.kind) || strlen(rules) >= sizeof(r->rules) ||
	    !hex_to_options(options, &r->found) || !wish_from_json(&r->qdisc, qdisc))
		return false;
	for (size_t i = 0; i < sizeof(how_names) / sizeof(how_names[0]); i++)
		if (!strcmp(how, how_names[i]))
			r->how = (enum ferry_gateway_qdisc)i;
	r->namespace = (uint64_t) namespace;
	r->identity = (uint64_t)identity;
	r->device = (unsigned int)device;
	memcpy(r->name, name, strlen(name) + 1);
	memcpy(r->found.kind, kind, strlen(kind) + 1);
	memcpy(r->rules, rules, strlen(rules) + 1);
	r->handle = (uint32_t)handle;
	r->changed = changed;
	r->found.handle = (uint32_t)found_handle;
	r->found.parent = (uint32_t)parent;
	r->found_clsact = clsact;
	r->found_filters = (unsigned int)filters;
	r->hook = hook == FERRY_HOOK_CLSACT || hook == FERRY_HOOK_TCX
			  ? (enum ferry_classifier_hook)hook
			  : FERRY_HOOK_ANY;
	r->rewrite_dscp = dscp;
	r->tunnel = tunnel;
	r->carrier = carrier;
	return true;
}

int ferry_gateway_read(const char *directory, unsigned int device,
		       struct ferry_gateway_record *record, struct ferry_error *err)
{
	char name[FILE_BYTES];
	json_error_t wrong;
	json_t *root;
	bool good;

	file_name(directory_of(directory), device, "json", name);
	if (access(name, R_OK))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT, "%s cannot be read: %s", name,
				  ferry_errno_text(-errno));
	root = json_load_file(name, 0, &wrong);
	good = root && record_from_json(record, root) && record->device == device;
	json_decref(root);
	return good ? 0
		    : ferry_fail(err, FERRY_ERROR_FILE, -EPROTO,
				 "%s is damaged, or of another version", name);
}

int ferry_gateway_each(const struct ferry_gateway_places *places,
		       int (*visit)(const struct ferry_gateway_record *record, void *data),
		       void *data, struct ferry_error *err)
{
	const char *directory = directory_of(places ? places->records : NULL);
	const uint64_t here = ferry_network_namespace();
	struct ferry_gateway_record *record = malloc(sizeof(*record));
	DIR *dir = opendir(directory);
	struct dirent *e;
	int ret = 0;

	if (!record)
		ret = ferry_fail_memory(err, "a record", sizeof(*record));
	while (!ret && dir && (e = readdir(dir))) {
		unsigned int device;
		uint64_t namespace;
		char rest[8] = "";

		if (sscanf(e->d_name, "%" SCNu64 "-%u%7s", &namespace, &device, rest) != 3 ||
		    strcmp(rest, ".json") || namespace != here)
			continue;
		if (!ferry_gateway_read(directory, device, record, NULL))
			ret = visit(record, data);
	}
	if (dir)
		closedir(dir);
	free(record);
	return ret;
}

int ferry_gateway_keep_rules(const struct ferry_gateway_records *records, unsigned int device,
			     const char *text, size_t bytes, struct ferry_error *err)
{
	char name[FILE_BYTES], fresh[FILE_BYTES];
	int fd, ret = 0;

	file_name(records->path, device, "rules", name);
	file_name(records->path, device, "rules.new", fresh);
	unlink(fresh);
	if (!text)
		return unlink(name) && errno != ENOENT ? -errno : 0;
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, text, bytes) != (ssize_t)bytes || rename(fresh, name))
		ret = ferry_fail(err, FERRY_ERROR_SYSTEM, errno ? -errno : -EIO,
				 "%s cannot be written: %s", name, ferry_errno_text(-errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

int ferry_gateway_rules(const struct ferry_gateway_record *record,
			const struct ferry_gateway_places *places, char **text, size_t *bytes,
			struct ferry_error *err)
{
	char name[FILE_BYTES];
	FILE *f;

	*text = NULL;
	*bytes = 0;
	file_name(directory_of(places ? places->records : NULL), record->device, "rules", name);
	f = fopen(name, "re");
	if (!f)
		return ferry_fail(
			err, FERRY_ERROR_SYSTEM, errno == EACCES ? -EPERM : -errno,
			errno == EACCES ? "the rules of %s are for root to see, or CAP_DAC_OVERRIDE"
					: "no rules are known to hold on %s",
			record->name);
	*text = malloc(RULES_BYTES_MAX);
	if (*text)
		*bytes = fread(*text, 1, RULES_BYTES_MAX, f);
	fclose(f);
	return *text ? 0 : ferry_fail_memory(err, "rules", RULES_BYTES_MAX);
}

void ferry_gateway_forget(const struct ferry_gateway_records *records, unsigned int device)
{
	static const char *const endings[] = {"json.new", "rules.new", "rules", "json"};
	char name[FILE_BYTES];

	/* The record last: as long as it is there, somebody comes and finishes this. */
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		file_name(records->path, device, endings[i], name);
		unlink(name);
	}
}
