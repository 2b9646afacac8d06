// SPDX-License-Identifier: MIT
#include "telemetry/wifi.h"

#include <errno.h>
#include <limits.h>
#include <linux/nl80211.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "base/clock.h"

enum {
	INTERFACES_MAX = 32,
	ANSWER_MAX_MS = 1000, /* the kernel answers at once; nothing else may hold us up */
	KBPS_PER_RATE_UNIT = 100,
	/* What TCP gets of the bit rate on the air, in per cent, with aggregation and a few
	 * neighbours: between the 50 of 802.11a and the 75 of a clean 802.11ac channel. */
	GOODPUT_PERCENT = 60,
};

struct ferry_wifi {
	struct nl_sock *requests, *events;
	int family;
	bool changed;
};

/* What a dump collects. */
struct dump {
	uint32_t interface[INTERFACES_MAX];
	size_t n_interfaces;
	struct ferry_wifi_station *stations;
	size_t n;
	bool done;
	int error;
};

static uint32_t rate_of(struct nlattr *nest)
{
	static const struct nla_policy policy[NL80211_RATE_INFO_MAX + 1] = {
		[NL80211_RATE_INFO_BITRATE] = {.type = NLA_U16},
		[NL80211_RATE_INFO_BITRATE32] = {.type = NLA_U32},
	};
	struct nlattr *rate[NL80211_RATE_INFO_MAX + 1];
	uint64_t kbps = 0;

	if (nla_parse_nested(rate, NL80211_RATE_INFO_MAX, nest, policy))
		return 0;
	/* The 16 bits of the old attribute end at 6.5 Gbit/s. */
	if (rate[NL80211_RATE_INFO_BITRATE32])
		kbps = (uint64_t)nla_get_u32(rate[NL80211_RATE_INFO_BITRATE32]) *
		       KBPS_PER_RATE_UNIT;
	else if (rate[NL80211_RATE_INFO_BITRATE])
		kbps = (uint64_t)nla_get_u16(rate[NL80211_RATE_INFO_BITRATE]) * KBPS_PER_RATE_UNIT;
	return kbps < UINT32_MAX ? (uint32_t)kbps : UINT32_MAX;
}

static void parse_info(struct nlattr **info, struct ferry_wifi_station *s)
{
	struct nlattr *const signal = info[NL80211_STA_INFO_SIGNAL_AVG]
					      ? info[NL80211_STA_INFO_SIGNAL_AVG]
					      : info[NL80211_STA_INFO_SIGNAL];

	if (signal) {
		s->has |= FERRY_WIFI_SIGNAL;
		s->signal_dbm = (int8_t)nla_get_u8(signal);
	}
	if (info[NL80211_STA_INFO_TX_BITRATE])
		s->tx_bitrate_kbps = rate_of(info[NL80211_STA_INFO_TX_BITRATE]);
	if (info[NL80211_STA_INFO_RX_BITRATE])
		s->rx_bitrate_kbps = rate_of(info[NL80211_STA_INFO_RX_BITRATE]);
	s->has |= s->tx_bitrate_kbps ? FERRY_WIFI_TX_BITRATE : 0;
	s->has |= s->rx_bitrate_kbps ? FERRY_WIFI_RX_BITRATE : 0;
	if (info[NL80211_STA_INFO_EXPECTED_THROUGHPUT]) {
		s->has |= FERRY_WIFI_EXPECTED;
		s->expected_kbps = nla_get_u32(info[NL80211_STA_INFO_EXPECTED_THROUGHPUT]);
	}
	if (info[NL80211_STA_INFO_TX_PACKETS] && info[NL80211_STA_INFO_TX_RETRIES]) {
		s->has |= FERRY_WIFI_RETRIES;
		s->tx_packets = nla_get_u32(info[NL80211_STA_INFO_TX_PACKETS]);
		s->tx_retries = nla_get_u32(info[NL80211_STA_INFO_TX_RETRIES]);
	}
}

int ferry_wifi_parse(const void *attributes, size_t size, struct ferry_wifi_station *station)
{
	static const struct nla_policy outer[NL80211_ATTR_MAX + 1] = {
		[NL80211_ATTR_IFINDEX] = {.type = NLA_U32},
		[NL80211_ATTR_MAC] = {.minlen = FERRY_WIFI_ADDRESS, .maxlen = FERRY_WIFI_ADDRESS},
		[NL80211_ATTR_STA_INFO] = {.type = NLA_NESTED},
	};
	static const struct nla_policy inner[NL80211_STA_INFO_MAX + 1] = {
		[NL80211_STA_INFO_SIGNAL] = {.type = NLA_U8},
		[NL80211_STA_INFO_SIGNAL_AVG] = {.type = NLA_U8},
		[NL80211_STA_INFO_TX_BITRATE] = {.type = NLA_NESTED},
		[NL80211_STA_INFO_RX_BITRATE] = {.type = NLA_NESTED},
		[NL80211_STA_INFO_TX_PACKETS] = {.type = NLA_U32},
		[NL80211_STA_INFO_TX_RETRIES] = {.type = NLA_U32},
		[NL80211_STA_INFO_EXPECTED_THROUGHPUT] = {.type = NLA_U32},
	};
	struct nlattr *attrs[NL80211_ATTR_MAX + 1], *info[NL80211_STA_INFO_MAX + 1];

	memset(station, 0, sizeof(*station));
	if (size > INT_MAX ||
	    nla_parse(attrs, NL80211_ATTR_MAX, (struct nlattr *)attributes, (int)size, outer) ||
	    !attrs[NL80211_ATTR_IFINDEX] || !attrs[NL80211_ATTR_MAC] ||
	    !attrs[NL80211_ATTR_STA_INFO] ||
	    nla_parse_nested(info, NL80211_STA_INFO_MAX, attrs[NL80211_ATTR_STA_INFO], inner))
		return -EPROTO;
	station->ifindex = nla_get_u32(attrs[NL80211_ATTR_IFINDEX]);
	memcpy(station->address, nla_data(attrs[NL80211_ATTR_MAC]), FERRY_WIFI_ADDRESS);
	parse_info(info, station);
	return 0;
}

/* libnl has errors of its own. */
static int errno_of(int nl_error)
{
	switch (-nl_error) {
	case 0:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AGAIN:
		return -ETIMEDOUT;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

static struct nl_sock *connect_socket(int *ret)
{
	const struct timeval bound = {.tv_sec = ANSWER_MAX_MS / 1000};
	struct nl_sock *sock = nl_socket_alloc();

	*ret = sock ? errno_of(genl_connect(sock)) : -ENOMEM;
	if (!*ret &&
	    setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)))
		*ret = -errno;
	return sock;
}

static int on_event(struct nl_msg *msg, void *data)
{
	const struct genlmsghdr *header = nlmsg_data(nlmsg_hdr(msg));
	struct ferry_wifi *wifi = data;

	if (nlmsg_datalen(nlmsg_hdr(msg)) >= (int)sizeof(*header) &&
	    (header->cmd == NL80211_CMD_NEW_STATION || header->cmd == NL80211_CMD_DEL_STATION))
		wifi->changed = true;
	return NL_OK;
}

int ferry_wifi_open(struct ferry_wifi **wifi, struct ferry_error *err)
{
	struct ferry_wifi *w = calloc(1, sizeof(*w));
	int ret, group;

	if (!w)
		return ferry_fail_memory(err, "a connection to nl80211", sizeof(*w));
	w->requests = connect_socket(&ret);
	if (!ret) {
		w->family = genl_ctrl_resolve(w->requests, NL80211_GENL_NAME);
		if (w->family < 0) {
			ferry_wifi_close(w);
			return ferry_fail(err, FERRY_ERROR_SYSTEM, -ENOENT,
					  "this kernel has no wireless interfaces (no nl80211)");
		}
		w->events = connect_socket(&ret);
	}
	if (!ret) {
		group = genl_ctrl_resolve_grp(w->requests, NL80211_GENL_NAME,
					      NL80211_MULTICAST_GROUP_MLME);
		ret = group < 0 ? -ENOENT : errno_of(nl_socket_add_membership(w->events, group));
	}
	if (!ret)
		ret = errno_of(nl_socket_set_nonblocking(w->events));
	if (ret) {
		ferry_wifi_close(w);
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "nl80211 cannot be listened to: %s",
				  ferry_errno_text(ret));
	}
	/* What is broadcast has no number that could be expected. */
	nl_socket_disable_seq_check(w->events);
	nl_socket_modify_cb(w->events, NL_CB_VALID, NL_CB_CUSTOM, on_event, w);
	*wifi = w;
	return 0;
}

void ferry_wifi_close(struct ferry_wifi *wifi)
{
	if (!wifi)
		return;
	nl_socket_free(wifi->requests);
	nl_socket_free(wifi->events);
	free(wifi);
}

int ferry_wifi_fd(const struct ferry_wifi *wifi)
{
	return nl_socket_get_fd(wifi->events);
}

bool ferry_wifi_changed(struct ferry_wifi *wifi)
{
	enum { AT_ONCE = 256 };
	int ret = 0;

	wifi->changed = false;
	for (int i = 0; !ret && i < AT_ONCE; i++)
		ret = nl_recvmsgs_default(wifi->events);
	/* Events that were lost may have been of any station. */
	return wifi->changed || (ret && ret != -NLE_AGAIN);
}

static int on_interface(struct nl_msg *msg, void *data)
{
	static const struct nla_policy policy[NL80211_ATTR_MAX + 1] = {
		[NL80211_ATTR_IFINDEX] = {.type = NLA_U32},
	};
	struct nlattr *attrs[NL80211_ATTR_MAX + 1];
	struct dump *dump = data;

	if (!genlmsg_parse(nlmsg_hdr(msg), 0, attrs, NL80211_ATTR_MAX, policy) &&
	    attrs[NL80211_ATTR_IFINDEX] && dump->n_interfaces < INTERFACES_MAX)
		dump->interface[dump->n_interfaces++] = nla_get_u32(attrs[NL80211_ATTR_IFINDEX]);
	return NL_OK;
}

static int on_station(struct nl_msg *msg, void *data)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct dump *dump = data;

	if (genlmsg_valid_hdr(header, 0) && dump->n < FERRY_WIFI_STATIONS_MAX &&
	    !ferry_wifi_parse(genlmsg_attrdata(genlmsg_hdr(header), 0),
			      (size_t)genlmsg_attrlen(genlmsg_hdr(header), 0),
			      &dump->stations[dump->n]))
		dump->n++;
	return NL_OK;
}

static int on_finish(struct nl_msg *msg, void *data)
{
	(void)msg;
	((struct dump *)data)->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *data)
{
	struct dump *dump = data;

	(void)from;
	dump->error = error->error;
	dump->done = true;
	return NL_STOP;
}

/* Asks for all objects of a kind, of one interface where @ifindex is not 0. */
static int run_dump(struct ferry_wifi *wifi, uint8_t cmd, uint32_t ifindex,
		    nl_recvmsg_msg_cb_t on_object, struct dump *dump, uint64_t deadline_us)
{
	struct nl_msg *msg = nlmsg_alloc();
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = -ENOMEM;

	dump->done = false;
	dump->error = 0;
	if (!msg || !cb)
		goto out;
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, wifi->family, 0, NLM_F_DUMP, cmd, 0) ||
	    (ifindex && nla_put_u32(msg, NL80211_ATTR_IFINDEX, ifindex)))
		goto out;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_object, dump);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, dump);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, dump);
	ret = nl_send_auto(wifi->requests, msg);
	ret = ret < 0 ? errno_of(ret) : 0;
	while (!ret && !dump->done) {
		if (ferry_now_us() >= deadline_us)
			ret = -ETIMEDOUT;
		else
			ret = errno_of(nl_recvmsgs(wifi->requests, cb));
	}
	if (!ret)
		ret = dump->error;
out:
	nl_cb_put(cb);
	nlmsg_free(msg);
	return ret;
}

/* What is left of a dump that was given up would be taken for the answer to the next. */
static int reconnect(struct ferry_wifi *wifi)
{
	struct nl_sock *fresh;
	int ret;

	fresh = connect_socket(&ret);
	if (ret) {
		nl_socket_free(fresh);
		return ret;
	}
	nl_socket_free(wifi->requests);
	wifi->requests = fresh;
	return 0;
}

int ferry_wifi_stations(struct ferry_wifi *wifi, uint64_t deadline_us,
			struct ferry_wifi_station *stations, size_t *n, struct ferry_error *err)
{
	struct dump dump = {.stations = stations};
	int ret;

	*n = 0;
	ret = run_dump(wifi, NL80211_CMD_GET_INTERFACE, 0, on_interface, &dump, deadline_us);
	for (size_t i = 0; !ret && i < dump.n_interfaces; i++) {
		ret = run_dump(wifi, NL80211_CMD_GET_STATION, dump.interface[i], on_station, &dump,
			       deadline_us);
		/* One that has gone in between, is down, or has no such thing as stations. */
		if (ret == -ENODEV || ret == -ENETDOWN || ret == -EOPNOTSUPP || ret == -ENOLINK)
			ret = 0;
	}
	if (ret) {
		reconnect(wifi);
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "nl80211 did not tell the stations: %s", ferry_errno_text(ret));
	}
	*n = dump.n;
	return 0;
}

void ferry_wifi_reading(const struct ferry_wifi_station *station, size_t n, const char *name,
			uint32_t ifindex, uint64_t now_us, struct ferry_reading *reading)
{
	uint64_t packets = 0, retries = 0;

	ferry_reading_begin(reading, FERRY_READING_OF_LINK, name, now_us);
	reading->ifindex = ifindex;
	for (size_t i = 0; i < n; i++) {
		const struct ferry_wifi_station *s = &station[i];
		int64_t capacity = s->expected_kbps;

		if (s->ifindex != ifindex)
			continue;
		if (s->has & FERRY_WIFI_SIGNAL &&
		    (!ferry_reading_has(reading, FERRY_SIGNAL_DBM) ||
		     s->signal_dbm < reading->value[FERRY_SIGNAL_DBM]))
			ferry_reading_set(reading, FERRY_SIGNAL_DBM, s->signal_dbm);
		if (!capacity && s->has & FERRY_WIFI_TX_BITRATE) {
			capacity = (int64_t)s->tx_bitrate_kbps * GOODPUT_PERCENT / 100;
			reading->provenance = FERRY_PROVENANCE_ESTIMATE;
		}
		if (capacity && (!ferry_reading_has(reading, FERRY_CAPACITY_KBPS) ||
				 capacity < reading->value[FERRY_CAPACITY_KBPS]))
			ferry_reading_set(reading, FERRY_CAPACITY_KBPS, capacity);
		packets += s->tx_packets;
		retries += s->tx_retries;
	}
	/* Frames on the air, not segments: what the link does to hide its losses. */
	if (packets + retries)
		ferry_reading_set(reading, FERRY_RETRANSMIT_PPM,
				  (int64_t)(retries * FERRY_PPM / (packets + retries)));
}
