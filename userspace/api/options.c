// SPDX-License-Identifier: MIT
#include "api/options.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* No struct of this API comes near it: more is memory that nobody initialised. */
enum { OPTIONS_MAX_BYTES = 4096 };

static int check_size(size_t theirs, const char *name, struct ferry_error *err)
{
	if (theirs >= sizeof(theirs) && theirs <= OPTIONS_MAX_BYTES)
		return 0;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "the size of %s is not set; begin with its _INIT macro", name);
}

int ferry_options_copy(void *to, size_t size, const void *from, const void *defaults,
		       const char *name, struct ferry_error *err)
{
	size_t theirs;
	int ret;

	memcpy(to, defaults, size);
	if (!from)
		return 0;
	memcpy(&theirs, from, sizeof(theirs));
	ret = check_size(theirs, name, err);
	if (ret)
		return ret;
	for (size_t i = size; i < theirs; i++)
		if (((const unsigned char *)from)[i])
			return ferry_fail(err, FERRY_ERROR_CALLER, -E2BIG,
					  "%s has a member set that this version of libferry does "
					  "not know",
					  name);
	memcpy(to, from, theirs < size ? theirs : size);
	return 0;
}

int ferry_options_return(void *to, const void *from, size_t size, const char *name,
			 struct ferry_error *err)
{
	size_t theirs;
	int ret;

	memcpy(&theirs, to, sizeof(theirs));
	ret = check_size(theirs, name, err);
	if (ret)
		return ret;
	memset((char *)to + sizeof(theirs), 0, theirs - sizeof(theirs));
	if (theirs > size)
		theirs = size;
	memcpy((char *)to + sizeof(theirs), (const char *)from + sizeof(theirs),
	       theirs - sizeof(theirs));
	return 0;
}
