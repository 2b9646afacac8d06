// SPDX-License-Identifier: MIT
#include "base/free_memory.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { MEMINFO_BYTES = 4096 }; /* the line is among the first */

uint64_t ferry_free_memory_in(const char *meminfo)
{
	static const char label[] = "MemAvailable:";
	const char *p = strstr(meminfo, label);
	uint64_t kib = 0;

	if (!p)
		return 0;
	p += sizeof(label) - 1;
	while (*p == ' ')
		p++;
	for (; *p >= '0' && *p <= '9' && kib < UINT64_MAX >> 14; p++)
		kib = kib * 10 + (uint64_t)(*p - '0');
	return kib << 10;
}

uint64_t ferry_free_memory(void)
{
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	char text[MEMINFO_BYTES];
	struct sysinfo info;
	uint64_t bytes = 0;
	ssize_t n;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		bytes = ferry_free_memory_in(text);
	}
	if (!bytes && !sysinfo(&info)) /* /proc is not there */
		bytes = (uint64_t)info.freeram * info.mem_unit;
	return bytes;
}
