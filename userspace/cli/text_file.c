// SPDX-License-Identifier: MIT
#include "cli/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"

enum { TEXT_FILE_FIRST = 64 * 1024 };
static const size_t text_file_max = (size_t)1 << 30;

int ferry_text_file_read(const char *path, char **text, size_t *n, struct ferry_error *err)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	size_t have = 0, room = TEXT_FILE_FIRST;
	struct stat st;
	char *buf = NULL;
	int ret;

	*text = NULL;
	*n = 0;
	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot open %s: %s",
				  ferry_cli_shown_path(path), ferry_errno_text(errno));
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uint64_t)st.st_size < text_file_max)
		room = (size_t)st.st_size + 2;
	buf = malloc(room);
	if (!buf) {
		ret = ferry_fail_memory(err, ferry_cli_shown_path(path), room);
		goto close_file;
	}
	for (;;) {
		ssize_t got;

		if (room - have < 2) {
			char *more;

			if (room >= text_file_max) {
				ret = ferry_fail(err, FERRY_ERROR_FILE, -EFBIG,
						 "%s is too large: over %zu bytes",
						 ferry_cli_shown_path(path), have);
				goto free_buf;
			}
			more = realloc(buf, room * 2);
			if (!more) {
				ret = ferry_fail_memory(err, ferry_cli_shown_path(path), room * 2);
				goto free_buf;
			}
			buf = more;
			room *= 2;
		}
		got = read(fd, buf + have, room - have - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			ret = ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot read %s: %s",
					 ferry_cli_shown_path(path), ferry_errno_text(errno));
			goto free_buf;
		}
		if (!got)
			break;
		have += (size_t)got;
	}
	buf[have] = '\0';
	*text = buf;
	*n = have;
	buf = NULL;
	ret = 0;
free_buf:
	free(buf);
close_file:
	if (fd != STDIN_FILENO)
		close(fd);
	return ret;
}

static int is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int ferry_token_list_parse(const char *text, size_t n, int32_t **ids, size_t *n_ids,
			   struct ferry_error *err)
{
	size_t count = 0;
	int32_t *out;

	*ids = NULL;
	*n_ids = 0;
	/* No list of n bytes holds more than n / 2 + 1 ids. */
	out = malloc((n / 2 + 1) * sizeof(*out));
	if (!out)
		return ferry_fail_memory(err, "the token list", (n / 2 + 1) * sizeof(*out));
	for (size_t i = 0; i < n;) {
		size_t begin = i;
		int64_t id = 0;

		if (is_separator(text[i])) {
			i++;
			continue;
		}
		while (i < n && text[i] >= '0' && text[i] <= '9' && id <= INT32_MAX)
			id = id * 10 + (text[i++] - '0');
		if (i == begin || (i < n && !is_separator(text[i])) || id > INT32_MAX) {
			while (i < n && !is_separator(text[i]) && i - begin < 32)
				i++;
			free(out);
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "'%.*s' is no token id",
					  (int)(i - begin), text + begin);
		}
		out[count++] = (int32_t)id;
	}
	*ids = out;
	*n_ids = count;
	return 0;
}
