// SPDX-License-Identifier: MIT
/*
 * wifi_look wait|watch: for tests/vm/wifi.test.sh. "wait" ends when there is a station that sends,
 * and prints what is known of it; "watch" ends when one has left. Both fail after half a minute.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "telemetry/wifi.h"

enum { PATIENCE_US = 30000000, LOOK_US = 250000 };

static void print(const struct ferry_wifi_station *s, size_t n)
{
	struct ferry_reading r;

	ferry_wifi_reading(s, n, "", s->ifindex, ferry_now_us(), &r);
	for (int q = 0; q < FERRY_QUANTITIES; q++)
		if (ferry_reading_has(&r, (enum ferry_quantity)q))
			printf("%s=%" PRId64 " ", ferry_quantity_name((enum ferry_quantity)q),
			       r.value[q]);
	printf("tx_bitrate_kbps=%" PRIu32 " expected_kbps=%" PRIu32 "\n", s->tx_bitrate_kbps,
	       s->expected_kbps);
}

int main(int argc, char **argv)
{
	const int watch = argc == 2 && !strcmp(argv[1], "watch");
	const uint64_t end = ferry_now_us() + PATIENCE_US;
	struct ferry_wifi_station s[FERRY_WIFI_STATIONS_MAX];
	struct ferry_error err = {0};
	struct ferry_wifi *wifi;
	size_t n, had = 0;

	if (ferry_wifi_open(&wifi, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	while (ferry_now_us() < end) {
		struct pollfd p = {.fd = ferry_wifi_fd(wifi), .events = POLLIN};

		if (ferry_wifi_stations(wifi, end, s, &n, &err)) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		if (!watch && n && s->has & FERRY_WIFI_SIGNAL && s->tx_bitrate_kbps) {
			print(s, n);
			return 0;
		}
		if (watch && n < had) {
			printf("a station has left\n");
			return 0;
		}
		had = n;
		/* With "watch" it is the event that tells, not the next look. */
		poll(&p, 1, watch ? PATIENCE_US / 1000 : LOOK_US / 1000);
		if (watch && !ferry_wifi_changed(wifi))
			break;
	}
	fprintf(stderr, "nothing came\n");
	return 1;
}
