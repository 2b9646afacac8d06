// SPDX-License-Identifier: MIT
#include "net/autorate_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "telemetry/sysfs.h"

enum { FILE_MAX = 4096, SUFFIX = sizeof(".autorate") - 1 };

/* A name that is no path, and that the kernel could have given. */
static bool is_device_name(const char *name)
{
	const size_t length = strnlen(name, FERRY_AUTORATE_DEVICE_NAME);

	if (!length || length == FERRY_AUTORATE_DEVICE_NAME || name[0] == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return true;
}

int ferry_autorate_settings_check(const struct ferry_autorate_settings *s, struct ferry_error *err)
{
	const struct ferry_autorate_limits *l = &s->limits;

	if (!is_device_name(s->device))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "'%.15s' is no name of a network interface", s->device);
	if (l->floor_kbps < FERRY_AUTORATE_KBPS_MIN || l->floor_kbps > l->base_kbps ||
	    l->base_kbps > l->ceiling_kbps)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -EINVAL,
			"the rate of %s is to follow the link between %u and %u kbit/s, "
			"beginning at %u: that has to be between them, and the least is %d",
			s->device, l->floor_kbps, l->ceiling_kbps, l->base_kbps,
			FERRY_AUTORATE_KBPS_MIN);
	return 0;
}

int ferry_autorate_settings_add(struct ferry_autorate_settings *s, const char *text,
				struct ferry_error *err)
{
	struct ferry_echo_address address;
	const int ret = ferry_echo_read_address(text, &address, err);

	if (ret)
		return ret;
	for (size_t i = 0; i < s->n_reflectors; i++)
		if (!memcmp(&s->reflectors[i], &address, sizeof(address)))
			return 0;
	if (s->n_reflectors == FERRY_REFLECTORS_MAX)
		return ferry_fail(err, FERRY_ERROR_CALLER, -E2BIG,
				  "a link has at most %d reflectors, so '%.60s' is one too many",
				  FERRY_REFLECTORS_MAX, text);
	s->reflectors[s->n_reflectors++] = address;
	return 0;
}

static json_t *reflectors_json(const struct ferry_autorate_settings *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_reflectors; i++) {
		char text[FERRY_ECHO_ADDRESS_TEXT];

		ferry_echo_write_address(&s->reflectors[i], text);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* None is fine, as files of earlier versions have it. */
static int read_reflectors(struct ferry_autorate_settings *s, const json_t *list,
			   struct ferry_error *err)
{
	int ret = 0;

	if (list && !json_is_array(list))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "reflectors are a list of addresses");
	for (size_t i = 0; !ret && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		ret = ferry_autorate_settings_add(s, text ? text : "", err);
	}
	return ret ? -EINVAL : 0;
}

static int path_of(const char *directory, const char *device, const char *suffix,
		   char path[PATH_MAX], struct ferry_error *err)
{
	const int n = snprintf(path, PATH_MAX, "%s/%s.autorate%s",
			       directory ? directory : FERRY_AUTORATE_DIRECTORY, device, suffix);

	if (!is_device_name(device))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "'%.15s' is no name of a network interface", device);
	if (n < 0 || n >= PATH_MAX)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
				  "the path of the directory of settings is too long");
	return 0;
}

static int write_file(const char *path, json_t *root)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (json_dumpfd(root, fd, JSON_INDENT(2)) || write(fd, "\n", 1) != 1)
		ret = -EIO;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

int ferry_autorate_settings_write(const char *directory, const struct ferry_autorate_settings *s,
				  struct ferry_error *err)
{
	char path[PATH_MAX], fresh[PATH_MAX], suffix[32];
	json_t *root;
	int ret = ferry_autorate_settings_check(s, err);

	/* Each writer has a file of its own: of two, the later one is what stays. */
	snprintf(suffix, sizeof(suffix), ".%ld", (long)getpid());
	if (!ret)
		ret = path_of(directory, s->device, "", path, err);
	if (!ret)
		ret = path_of(directory, s->device, suffix, fresh, err);
	if (ret)
		return ret;
	root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "device", s->device, "identity",
			 (json_int_t)s->identity, "base_kbps", (json_int_t)s->limits.base_kbps,
			 "floor_kbps", (json_int_t)s->limits.floor_kbps, "ceiling_kbps",
			 (json_int_t)s->limits.ceiling_kbps, "reflectors", reflectors_json(s));
	if (!root)
		return ferry_fail_memory(err, "settings", 0);
	mkdir(directory ? directory : FERRY_AUTORATE_DIRECTORY, 0755);
	ret = write_file(fresh, root);
	json_decref(root);
	if (!ret && rename(fresh, path))
		ret = -errno;
	if (ret) {
		unlink(fresh);
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "%s cannot be written: %s", path,
				  ferry_errno_text(ret));
	}
	return 0;
}

/* At most FILE_MAX bytes: whoever wrote more did not write settings. */
static int load(const char *path, char text[FILE_MAX + 1])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = 0, got;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		close(fd);
		return -EINVAL;
	}
	while (n < FILE_MAX && (got = read(fd, text + n, (size_t)(FILE_MAX - n))) > 0)
		n += got;
	close(fd);
	text[n] = 0;
	return 0;
}

static uint32_t number_of(const json_t *root, const char *name)
{
	const json_int_t n = json_integer_value(json_object_get(root, name));

	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

int ferry_autorate_settings_read(const char *directory, const char *device,
				 struct ferry_autorate_settings *s, struct ferry_error *err)
{
	char path[PATH_MAX], text[FILE_MAX + 1];
	const char *name;
	json_error_t where;
	json_t *root;
	int ret = path_of(directory, device, "", path, err);

	memset(s, 0, sizeof(*s));
	if (ret)
		return ret;
	ret = load(path, text);
	if (ret == -EINVAL)
		return ferry_fail(err, FERRY_ERROR_CALLER, ret,
				  "%s is no small file, so it holds no settings", path);
	if (ret)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "%s cannot be read: %s", path,
				  ferry_errno_text(ret));
	root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%s:%d:%d: %s", path,
				  where.line, where.column, where.text);
	name = json_string_value(json_object_get(root, "device"));
	snprintf(s->device, sizeof(s->device), "%s", name ? name : "");
	s->identity = (uint64_t)json_integer_value(json_object_get(root, "identity"));
	s->limits.base_kbps = number_of(root, "base_kbps");
	s->limits.floor_kbps = number_of(root, "floor_kbps");
	s->limits.ceiling_kbps = number_of(root, "ceiling_kbps");
	ret = ferry_autorate_settings_check(s, err);
	if (!ret)
		ret = read_reflectors(s, json_object_get(root, "reflectors"), err);
	if (ret)
		ferry_fail_within(err, "%s", path);
	else if (!name || strcmp(name, device))
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				 "%s holds the settings of '%.15s'", path, s->device);
	json_decref(root);
	return ret;
}

int ferry_autorate_settings_remove(const char *directory, const char *device,
				   struct ferry_error *err)
{
	char path[PATH_MAX];
	int ret = path_of(directory, device, "", path, err);

	if (ret)
		return ret;
	if (unlink(path) && errno != ENOENT)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "%s cannot be removed: %s", path,
				  ferry_errno_text(-errno));
	return 0;
}

int ferry_autorate_settings_list(const char *directory, struct ferry_autorate_settings *settings,
				 size_t *n, struct ferry_error *err)
{
	struct ferry_sysfs_names names;
	int first = 0;

	*n = 0;
	ferry_sysfs_list(directory ? directory : FERRY_AUTORATE_DIRECTORY, "", &names);
	for (size_t i = 0; i < names.n && *n < FERRY_AUTORATE_DEVICES_MAX; i++) {
		char *name = names.name[i];
		const size_t length = strlen(name);
		int ret;

		if (length <= SUFFIX || strcmp(name + length - SUFFIX, ".autorate") != 0)
			continue;
		name[length - SUFFIX] = 0;
		ret = ferry_autorate_settings_read(directory, name, &settings[*n],
						   first ? NULL : err);
		if (!ret)
			(*n)++;
		else if (!first && ret != -ENOENT)
			first = ret;
	}
	return first;
}
