// SPDX-License-Identifier: MIT
#include "net/classifier_counters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "net/classifier.h"
#include "net/device.h"

enum { PATH_BYTES = 300 };

const char *ferry_classifier_source_name(unsigned int source)
{
	static const char *const names[FERRY_CLASSIFY_SOURCES] = {
		[FERRY_CLASSIFY_KEPT] = "kept",		  [FERRY_CLASSIFY_SOCKET] = "socket",
		[FERRY_CLASSIFY_CGROUP] = "cgroup",	  [FERRY_CLASSIFY_INNER] = "inner",
		[FERRY_CLASSIFY_DSCP] = "dscp",		  [FERRY_CLASSIFY_PORT] = "port",
		[FERRY_CLASSIFY_PREFIX] = "prefix",	  [FERRY_CLASSIFY_SNI] = "sni",
		[FERRY_CLASSIFY_BEHAVIOUR] = "behaviour", [FERRY_CLASSIFY_UNSET] = "unset",
		[FERRY_CLASSIFY_NOT_IP] = "not-ip",	  [FERRY_CLASSIFY_MALFORMED] = "malformed",
	};

	return source < FERRY_CLASSIFY_SOURCES ? names[source] : NULL;
}

/* A map of another version has values of another size, for which there would be no room. */
static int check(int map)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(map, &info, &size))
		return -errno;
	return info.type == BPF_MAP_TYPE_PERCPU_ARRAY && info.key_size == sizeof(uint32_t) &&
			       info.value_size == sizeof(struct ferry_classify_counter) &&
			       info.max_entries == FERRY_CLASSIFY_COUNTERS
		       ? 0
		       : -ESTALE;
}

static int add_up(int map, uint64_t packets[FERRY_CLASSIFY_SOURCES])
{
	const int n = libbpf_num_possible_cpus();
	struct ferry_classify_counter *each;
	int ret = 0;

	if (n <= 0)
		return -EIO;
	each = calloc((size_t)n, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < FERRY_CLASSIFY_COUNTERS && !ret; slot++) {
		if (bpf_map_lookup_elem(map, &slot, each))
			ret = -errno;
		for (int i = 0; i < n && !ret; i++)
			packets[slot / FERRY_CLASS_COUNT] += each[i].packets;
	}
	free(each);
	return ret;
}

int ferry_classifier_counters(unsigned int device, const char *directory,
			      uint64_t packets[FERRY_CLASSIFY_SOURCES], struct ferry_error *err)
{
	LIBBPF_OPTS(bpf_obj_get_opts, read_only, .file_flags = BPF_F_RDONLY);
	char path[PATH_BYTES];
	int map, ret;

	memset(packets, 0, sizeof(*packets) * FERRY_CLASSIFY_SOURCES);
	snprintf(path, sizeof(path), "%s/%" PRIu64 "-%u/counters",
		 directory ? directory : FERRY_CLASSIFY_DIRECTORY, ferry_network_namespace(),
		 device);
	map = bpf_obj_get_opts(path, &read_only);
	if (map < 0) {
		ret = -errno;
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "%s cannot be opened: %s", path,
				  ferry_errno_text(ret));
	}
	ret = check(map);
	if (!ret)
		ret = add_up(map, packets);
	close(map);
	return ret ? ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				"the classifier's counters cannot be read: %s",
				ferry_errno_text(ret))
		   : 0;
}
