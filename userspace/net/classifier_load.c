/* SPDX-License-Identifier: MIT */
/*
 * Which of the classifier's two programs is loaded: that which calls into ferry.ko, where that can
 * be, else the one that needs nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <classify.skel.h>
#include <classify_module.skel.h>

#include "base/error.h"
#include "net/classifier_private.h"

static const char name_t0[] = "ferry_classify";
static const char name_t2[] = "ferry_classify2";

int ferry_classifier_tier_of(const char *program)
{
	return strcmp(program, name_t2) ? 0 : 2;
}

static int pin_maps(struct ferry_classifier *c, struct bpf_object *object)
{
	char path[FERRY_PIN_PATH + 64];
	struct bpf_map *map;
	int ret = 0;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map) || !strcmp(name, "scratch") || !strcmp(name, "cases"))
			continue;
		if (!strcmp(name, "inners"))
			snprintf(path, sizeof(path), "%s/inners", c->pins.root);
		else
			ferry_pins_path(&c->pins, name, path);
		ret = bpf_map__set_pin_path(map, path);
		if (ret)
			break;
	}
	return ret;
}

static int pin_program(struct ferry_classifier *c, const struct bpf_program *program,
		       const char *name)
{
	char path[FERRY_PIN_PATH + 64];

	ferry_pins_path(&c->pins, name, path);
	unlink(path);
	return bpf_obj_pin(bpf_program__fd(program), path) ? -errno : 0;
}

static int load_object(struct ferry_classifier *c, struct bpf_object *object, const char *name)
{
	int ret = pin_maps(c, object);

	if (!ret)
		ret = bpf_object__load(object);
	if (!ret)
		ret = pin_program(c, bpf_object__find_program_by_name(object, name), "classify");
	if (!ret)
		ret = pin_program(c, bpf_object__find_program_by_name(object, "ferry_explain"),
				  "explain");
	return ret;
}

static int load_tier(struct ferry_classifier *c, int tier)
{
	struct bpf_object *object;
	const void *data;
	size_t size;
	int ret;

	data = tier == 2 ? ferry_classify_module_bpf__elf_bytes(&size)
			 : ferry_classify_bpf__elf_bytes(&size);
	object = bpf_object__open_mem(data, size, NULL);
	if (!object)
		return -errno;
	ret = load_object(c, object, tier == 2 ? name_t2 : name_t0);
	bpf_object__close(object);
	return ret;
}

int ferry_classifier_load(struct ferry_classifier *c, struct ferry_error *err)
{
	int ret = -ENOENT;

	if (!access(FERRY_CLASSIFIER_MODULE_BTF, F_OK))
		ret = load_tier(c, 2);
	/* Module and kernel may not fit: whatever is wrong there, the other needs neither. */
	if (ret)
		ret = load_tier(c, 0);
	return ret ? ferry_classifier_fail(err, ret, "loading the classifier") : 0;
}
