/* SPDX-License-Identifier: MIT */
#include "net/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

/* Where an identity comes from: the two kinds cannot be compared. */
static const uint64_t by_address = 1ULL << 63;

uint64_t ferry_network_namespace(void)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t bytes = sizeof(cookie);
	struct stat st;

	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &bytes))
		cookie = 0;
	if (fd >= 0)
		close(fd);
	/* Numbers of inodes are used again, but a kernel that old has nothing better. */
	if (!cookie && !stat("/proc/self/ns/net", &st))
		cookie = st.st_ino;
	return cookie;
}

/*
 * The number of the interface's directory in sysfs, which is never used again; 0 where sysfs is
 * that of another network namespace.
 */
static uint64_t directory_number(const struct ferry_device *device)
{
	unsigned int index = 0;
	struct stat st;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", device->name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%u", &index) != 1)
		index = 0;
	fclose(f);
	*strrchr(path, '/') = 0;
	return index == device->index && !stat(path, &st) ? st.st_ino & ~by_address : 0;
}

int ferry_device_find(const char *name, struct ferry_device *device, struct ferry_error *err)
{
	struct ifreq flags = {0}, address = {0};
	int fd, ret = 0;

	memset(device, 0, sizeof(*device));
	if (strlen(name) < sizeof(device->name))
		device->index = if_nametoindex(name);
	if (!device->index)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODEV, "there is no interface %.40s",
				  name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "opening a socket failed: %s",
				  ferry_errno_text(-errno));
	memcpy(device->name, name, strlen(name) + 1);
	memcpy(flags.ifr_name, device->name, sizeof(device->name));
	memcpy(address.ifr_name, device->name, sizeof(device->name));
	if (ioctl(fd, SIOCGIFFLAGS, &flags) || ioctl(fd, SIOCGIFHWADDR, &address))
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -ENODEV, "there is no interface %s",
				 name);
	close(fd);
	if (ret)
		return ret;
	device->up = flags.ifr_flags & IFF_UP;
	device->type = address.ifr_hwaddr.sa_family;
	device->identity = directory_number(device);
	if (device->identity)
		return 0;
	for (int i = 0; i < 6; i++)
		device->identity = device->identity << 8 | (uint8_t)address.ifr_hwaddr.sa_data[i];
	if (device->identity)
		device->identity |= by_address;
	return 0;
}

bool ferry_device_same(uint64_t one, uint64_t other)
{
	return !one || !other || (one & by_address) != (other & by_address) || one == other;
}
