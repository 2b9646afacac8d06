// SPDX-License-Identifier: MIT
#include "net/metrics_server.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum { REQUEST_BYTES_MAX = 8192, BACKLOG = 8, KEEP_US = 500000 };

struct ferry_metrics_server {
	struct MHD_Daemon *daemon;
	struct MHD_Response *text; /* of the latest request that made it */
	uint64_t made_us, requests;
	void (*fill)(struct ferry_exposition *text, void *data);
	void *data;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ret;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return ret;
}

static void make(struct ferry_metrics_server *server)
{
	struct ferry_exposition text = {0};

	if (server->text)
		MHD_destroy_response(server->text);
	server->text = NULL;
	server->fill(&text, server->data);
	if (!text.failed && text.text)
		server->text = MHD_create_response_from_buffer(text.size, text.text,
							       MHD_RESPMEM_MUST_FREE);
	if (!server->text) {
		free(text.text);
		return;
	}
	server->made_us = ferry_now_us();
	MHD_add_response_header(server->text, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_size, void **seen)
{
	struct ferry_metrics_server *server = data;

	(void)version;
	(void)body;
	(void)seen;
	/* Whoever sends a body sends it to nobody: answered at once, and not read. */
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (*body_size)
		return MHD_NO;
	if (strcmp(url, "/metrics"))
		return answer(connection, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n");
	server->requests++;
	if (!server->text || ferry_now_us() - server->made_us > KEEP_US)
		make(server);
	if (!server->text)
		return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, server->text);
}

/*
 * Another agent's socket is taken over only where nobody answers on it. What is no socket refuses
 * connections too, and is somebody's file.
 */
static bool is_abandoned(const struct sockaddr_un *address, socklen_t size)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 && connect(fd, (const void *)address, size) && errno == ECONNREFUSED;
	struct stat st;

	if (fd >= 0)
		close(fd);
	if (refused && (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode)))
		refused = false;
	return refused;
}

static int bind_unix(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	ret = bind(fd, (const void *)&address, sizeof(address)) ? -errno : 0;
	if (ret == -EADDRINUSE && is_abandoned(&address, sizeof(address))) {
		unlink(path);
		ret = bind(fd, (const void *)&address, sizeof(address)) ? -errno : 0;
	}
	/* Those who may enter the directory may ask, as with a loopback address. */
	if (!ret && chmod(path, 0666))
		ret = -errno;
	return ret;
}

/* "127.0.0.1:9559": an address that is this machine's alone. */
static int parse_loopback(const char *text, struct sockaddr_storage *storage, socklen_t *size)
{
	struct sockaddr_in6 *six = (void *)storage;
	struct sockaddr_in *four = (void *)storage;
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	unsigned long port;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = 0;
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || !port || port > USHRT_MAX)
		return -EINVAL;
	memset(storage, 0, sizeof(*storage));
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = 0;
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*size = sizeof(*six);
		if (inet_pton(AF_INET6, host + 1, &six->sin6_addr) != 1)
			return -EINVAL;
		return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ? 0 : -EACCES;
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	*size = sizeof(*four);
	if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &four->sin_addr) !=
	    1)
		return -EINVAL;
	return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ? 0 : -EACCES;
}

static int listen_on(const char *text, struct ferry_error *err)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	socklen_t size = 0;
	int fd, on = 1;
	int ret = text[0] == '/' ? 0 : parse_loopback(text, &address, &size);

	if (ret == -EINVAL)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, ret,
			"'%.60s' is no address to listen on: 127.0.0.1:9559, [::1]:9559 or "
			"the path of a socket is one",
			text);
	if (ret == -EACCES)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "%.60s can be reached from outside: metrics are told on loopback "
				  "addresses and Unix sockets only",
				  text);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		ret = -errno;
	else if (text[0] == '/')
		ret = bind_unix(fd, text);
	else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		 bind(fd, (const void *)&address, size))
		ret = -errno;
	if (!ret && listen(fd, BACKLOG))
		ret = -errno;
	if (ret) {
		if (fd >= 0)
			close(fd);
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "cannot listen on %.60s: %s", text,
				  ferry_errno_text(ret));
	}
	return fd;
}

int ferry_metrics_server_open(struct ferry_metrics_server **out, const char *address,
			      void (*fill)(struct ferry_exposition *text, void *data), void *data,
			      struct ferry_error *err)
{
	struct ferry_metrics_server *server;
	const int fd = listen_on(address, err);

	if (fd < 0)
		return fd;
	server = calloc(1, sizeof(*server));
	if (server) {
		server->fill = fill;
		server->data = data;
		server->daemon = MHD_start_daemon(
			MHD_USE_EPOLL, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
			(MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT,
			(unsigned int)FERRY_METRICS_CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
			(unsigned int)FERRY_METRICS_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			(size_t)REQUEST_BYTES_MAX, MHD_OPTION_END);
	}
	if (!server || !server->daemon) {
		free(server);
		close(fd);
		return ferry_fail_memory(err, "an HTTP server", 0);
	}
	*out = server;
	return 0;
}

void ferry_metrics_server_close(struct ferry_metrics_server *server)
{
	if (!server)
		return;
	if (server->text)
		MHD_destroy_response(server->text);
	MHD_stop_daemon(server->daemon);
	free(server);
}

int ferry_metrics_server_fd(const struct ferry_metrics_server *server)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info ? info->epoll_fd : -1;
}

void ferry_metrics_server_run(struct ferry_metrics_server *server)
{
	MHD_run(server->daemon);
}

uint64_t ferry_metrics_server_requests(const struct ferry_metrics_server *server)
{
	return server->requests;
}
