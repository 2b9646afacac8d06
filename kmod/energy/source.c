// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of energy sources. One mutex guards it and what becomes of sysfs with it; it is not held
 * while drivers are asked for readings, which may take their time.
 */
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/ktime.h>

#include "../core/energy_model.h"
#include "attributes.h"
#include "class.h"
#include "hwmon.h"
#include "sampler.h"
#include "source.h"

/* A supply that can no longer be read is kept for so long: it may come back. */
#define FERRY_ENERGY_FORGET_MS 30000

static DEFINE_MUTEX(ferry_energy_lock);
static LIST_HEAD(ferry_energy_sources); /* in the order of their ids, "total" first */
static unsigned int ferry_energy_count;
static u32 ferry_energy_last_id;
static struct ferry_energy_source *ferry_energy_sum_source;
static BLOCKING_NOTIFIER_HEAD(ferry_energy_chain);

static struct ferry_energy_source *ferry_energy_lookup(const char *name)
{
	struct ferry_energy_source *source;

	list_for_each_entry(source, &ferry_energy_sources,
			    node) if (!strcmp(source->name, name)) return source;
	return NULL;
}

/*
 * Whether a source that is pushed may be called @name: neither like what stands in the directory of
 * the class already, nor like what the kernel reads itself, nor like Ferry's own chips in hwmon. A
 * collector that finds these and pushes them back would count everything twice.
 */
static bool ferry_energy_name_is_free(const char *name)
{
	static const char *const taken[] = {"total", "model", "version", "mode", "none"};
	static const char *const prefixes[] = {"psy-", "thermal-", "ferry"};
	const char *letter;
	int i;

	for (i = 0; i < ARRAY_SIZE(taken); i++)
		if (!strcmp(name, taken[i]))
			return false;
	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return false;
	for (letter = name; *letter; letter++)
		if (!isascii(*letter) || (!isalnum(*letter) && *letter != '_' && *letter != '-'))
			return false;
	return letter > name && letter - name <= FERRY_ENERGY_NAME_MAX;
}

void ferry_energy_source_view(struct ferry_energy_source *source, struct ferry_energy_view *view)
{
	const struct ferry_energy_reading *last = &source->last;
	const u64 now = ktime_get_boottime_ns();
	const struct ferry_energy_meter *meter = &source->meter;
	int i;

	memset(view, 0, sizeof(*view));
	view->id = source->id;
	view->kind = source->kind;
	strscpy(view->name, source->name, sizeof(view->name));
	spin_lock(&source->lock);
	view->state = ferry_energy_state(meter, now);
	view->known = ferry_energy_known(meter, now);
	view->has = last->has;
	for (i = 0; i < FERRY_ENERGY_VALUES; i++)
		if (source->until_ns[i] > now)
			view->fresh |= BIT(i);
	if (view->known ||
	    (view->state == FERRY_ENERGY_LIVE && !(last->has & FERRY_ENERGY_HAS_POWER)))
		view->provenance = last->provenance;
	view->charging = last->charging;
	view->scope = source->scope;
	view->age_ms = ferry_energy_age_ms(meter, now);
	view->energy_uj = meter->energy_uj;
	view->battery_uwh = last->battery_uwh;
	view->battery_ppm = last->battery_ppm;
	view->error_ppm = last->error_ppm;
	view->temperature_mdeg = last->temperature_mdeg;
	if (view->known) {
		view->power_uw = meter->average_uw;
		view->public_uw = ferry_energy_round(meter->average_uw);
		view->uncertainty_uw = ferry_energy_uncertainty(view->public_uw, last->error_ppm);
	}
	strscpy(view->mirror_of, last->mirror_of[0] ? last->mirror_of : source->twin,
		sizeof(view->mirror_of));
	spin_unlock(&source->lock);
}

static void ferry_energy_tell(struct ferry_energy_source *source, unsigned long action)
{
	ferry_energy_source_view(source, &source->told);
	blocking_notifier_call_chain(&ferry_energy_chain, action, &source->told);
}

/* Creates @name with what @has says that it will show. */
static struct ferry_energy_source *
ferry_energy_create(const char *name, enum ferry_energy_owner owner, u8 kind, u32 has)
{
	struct ferry_energy_source *source;

	source = kzalloc(sizeof(*source), GFP_KERNEL);
	if (!source)
		return ERR_PTR(-ENOMEM);
	strscpy(source->name, name, sizeof(source->name));
	spin_lock_init(&source->lock);
	ferry_energy_init(&source->meter);
	source->owner = owner;
	source->kind = kind;
	source->scope = FERRY_ENERGY_SCOPE_NONE;
	source->last.has = has;
	source->id = ++ferry_energy_last_id;
	source->dev = ferry_energy_class_add(source->name, source, ferry_energy_groups);
	if (IS_ERR(source->dev)) {
		const int err = PTR_ERR(source->dev);

		kfree(source);
		return ERR_PTR(err);
	}
	/* The kernel mirrors supplies and thermal zones in hwmon without our help. */
	if (owner == FERRY_ENERGY_OWNER_PUSH || owner == FERRY_ENERGY_OWNER_TOTAL)
		source->hwmon = ferry_energy_hwmon_add(source);
	list_add_tail(&source->node, &ferry_energy_sources);
	ferry_energy_count++;
	return source;
}

static void ferry_energy_destroy(struct ferry_energy_source *source)
{
	list_del(&source->node);
	ferry_energy_count--;
	ferry_energy_hwmon_remove(source->hwmon);
	device_unregister(source->dev);
	kfree(source);
}

/* Files for what @source says since now. */
static void ferry_energy_grow(struct ferry_energy_source *source)
{
	/* Files that cannot be made are missed, not fatal: the readings are there for netlink. */
	if (sysfs_update_groups(&source->dev->kobj, ferry_energy_groups))
		dev_warn_once(source->dev, "some files are missing\n");
	if (source->owner == FERRY_ENERGY_OWNER_PUSH) {
		ferry_energy_hwmon_remove(source->hwmon);
		source->hwmon = ferry_energy_hwmon_add(source);
	}
}

/* Takes @reading into @source, whose lock is held. */
static enum ferry_energy_taken ferry_energy_take(struct ferry_energy_source *source,
						 const struct ferry_energy_reading *reading)
{
	struct ferry_energy_reading *last = &source->last;
	const u64 valid_ns = (u64)reading->valid_ms * NSEC_PER_MSEC;
	const u32 load_ppm = ferry_energy_sampler_load_ppm();
	enum ferry_energy_taken taken;
	int i;

	if (reading->has & FERRY_ENERGY_HAS_COUNTER)
		taken = ferry_energy_take_counter(&source->meter, reading->counter_uj,
						  reading->counter_max, reading->taken_ns, valid_ns,
						  load_ppm);
	else if (reading->has & FERRY_ENERGY_HAS_POWER)
		taken = ferry_energy_take_power(&source->meter, reading->power_uw,
						reading->taken_ns, valid_ns, load_ppm);
	else
		taken = ferry_energy_take_none(&source->meter, reading->taken_ns, valid_ns);
	if (taken == FERRY_ENERGY_OLD)
		return taken;

	for (i = 0; i < FERRY_ENERGY_VALUES; i++)
		if (reading->has & BIT(i))
			source->until_ns[i] = reading->taken_ns + valid_ns;
	last->taken_ns = reading->taken_ns;
	last->provenance = reading->provenance;
	if (reading->has & FERRY_ENERGY_HAS_TEMPERATURE)
		last->temperature_mdeg = reading->temperature_mdeg;
	if (reading->has & FERRY_ENERGY_HAS_CHARGE)
		last->battery_ppm = reading->battery_ppm;
	if (reading->has & FERRY_ENERGY_HAS_UWH)
		last->battery_uwh = reading->battery_uwh;
	if (reading->has & FERRY_ENERGY_HAS_CHARGING)
		last->charging = reading->charging;
	if (reading->has & FERRY_ENERGY_HAS_ERROR)
		last->error_ppm = reading->error_ppm;
	if (reading->has & FERRY_ENERGY_HAS_MIRROR)
		strscpy(last->mirror_of, reading->mirror_of, sizeof(last->mirror_of));
	return taken;
}

/* What @reading lets a source show: a counter tells its power as well. */
static u32 ferry_energy_shows(const struct ferry_energy_reading *reading)
{
	return reading->has & FERRY_ENERGY_HAS_COUNTER ? reading->has | FERRY_ENERGY_HAS_POWER
						       : reading->has;
}

/* The source to feed, created if it is new. */
static struct ferry_energy_source *ferry_energy_source_for(const char *name,
							   enum ferry_energy_owner owner, int kind,
							   u32 shows,
							   struct netlink_ext_ack *extack)
{
	struct ferry_energy_source *source = ferry_energy_lookup(name);

	if (source && source->owner != owner) {
		NL_SET_ERR_MSG(extack, "the kernel itself reads this source");
		return ERR_PTR(-EBUSY);
	}
	if (source && kind >= 0 && source->kind != kind) {
		NL_SET_ERR_MSG(extack, "a source keeps its kind: delete it first");
		return ERR_PTR(-EINVAL);
	}
	if (source)
		return source;
	if (owner == FERRY_ENERGY_OWNER_PUSH && !ferry_energy_name_is_free(name)) {
		NL_SET_ERR_MSG(extack, "a source cannot have this name");
		return ERR_PTR(-EINVAL);
	}
	if (kind < 0) {
		NL_SET_ERR_MSG(extack, "a new source needs a kind");
		return ERR_PTR(-ENOENT);
	}
	/* "total" is one of the list, and no part of its own sum. */
	if (ferry_energy_count > FERRY_ENERGY_SOURCES_MAX) {
		NL_SET_ERR_MSG(extack, "there are 32 sources already");
		return ERR_PTR(-ENOSPC);
	}
	return ferry_energy_create(name, owner, kind, shows);
}

int ferry_energy_source_feed(const char *name, enum ferry_energy_owner owner, int kind,
			     const struct ferry_energy_reading *reading,
			     struct netlink_ext_ack *extack)
{
	const u32 shows = ferry_energy_shows(reading);
	struct ferry_energy_source *source;
	enum ferry_energy_taken taken;
	bool grown;
	int err = 0;

	/* Before anything is created: what is refused changes nothing. */
	if (reading->has & FERRY_ENERGY_HAS_COUNTER && reading->counter_uj > reading->counter_max) {
		NL_SET_ERR_MSG(extack, "the counter is beyond its own end");
		return -ERANGE;
	}
	mutex_lock(&ferry_energy_lock);
	source = ferry_energy_source_for(name, owner, kind, shows, extack);
	if (IS_ERR(source)) {
		err = PTR_ERR(source);
		goto unlock;
	}
	spin_lock(&source->lock);
	taken = ferry_energy_take(source, reading);
	grown = shows & ~source->last.has;
	if (taken != FERRY_ENERGY_OLD)
		source->last.has |= shows;
	spin_unlock(&source->lock);
	if (taken == FERRY_ENERGY_OLD) {
		NL_SET_ERR_MSG(extack, "there is a younger reading of this source");
		err = -ESTALE;
		goto unlock;
	}
	if (grown)
		ferry_energy_grow(source);
	if (!source->told.id)
		ferry_energy_tell(source, FERRY_ENERGY_CHANGED);
unlock:
	mutex_unlock(&ferry_energy_lock);
	if (!err)
		ferry_energy_sampler_kick();
	return err;
}

int ferry_energy_source_remove(const char *name, enum ferry_energy_owner owner,
			       struct netlink_ext_ack *extack)
{
	struct ferry_energy_source *source;
	int err = 0;

	mutex_lock(&ferry_energy_lock);
	source = ferry_energy_lookup(name);
	if (!source) {
		NL_SET_ERR_MSG(extack, "there is no such source");
		err = -ENOENT;
	} else if (source->owner != owner) {
		NL_SET_ERR_MSG(extack, "the kernel itself reads this source");
		err = -EBUSY;
	} else {
		ferry_energy_tell(source, FERRY_ENERGY_GONE);
		ferry_energy_destroy(source);
	}
	mutex_unlock(&ferry_energy_lock);
	return err;
}

int ferry_energy_source_find(const char *name, struct ferry_energy_view *view)
{
	struct ferry_energy_source *source;

	mutex_lock(&ferry_energy_lock);
	source = ferry_energy_lookup(name);
	if (source)
		ferry_energy_source_view(source, view);
	mutex_unlock(&ferry_energy_lock);
	return source ? 0 : -ENOENT;
}

bool ferry_energy_source_next(u32 after, struct ferry_energy_view *view)
{
	struct ferry_energy_source *source;
	bool found = false;

	mutex_lock(&ferry_energy_lock);
	list_for_each_entry(source, &ferry_energy_sources, node)
	{
		if (source->id <= after)
			continue;
		ferry_energy_source_view(source, view);
		found = true;
		break;
	}
	mutex_unlock(&ferry_energy_lock);
	return found;
}

/* Puts the power of the last second into the trace of @source. */
static void ferry_energy_follow(struct ferry_energy_source *source,
				const struct ferry_energy_view *view)
{
	if (view->known)
		ferry_energy_trace_add(&source->trace, view->power_uw);
	else
		ferry_energy_trace_break(&source->trace);
}

/* Finds out which earlier source @source repeats, or that it does not any more. */
static void ferry_energy_match(struct ferry_energy_source *source)
{
	struct ferry_energy_source *other = NULL;

	if (source->twin[0]) {
		other = ferry_energy_lookup(source->twin);
		if (!other || !ferry_energy_still_twin(&source->trace, &other->trace))
			source->doubts++;
		else
			source->doubts = 0;
		if (other && source->doubts < FERRY_ENERGY_DOUBTS)
			return;
		spin_lock(&source->lock);
		source->twin[0] = '\0';
		spin_unlock(&source->lock);
	}
	source->doubts = 0;
	list_for_each_entry(other, &ferry_energy_sources, node)
	{
		if (other == source)
			return;
		if (other->owner == FERRY_ENERGY_OWNER_TOTAL ||
		    other->owner == FERRY_ENERGY_OWNER_MODEL ||
		    !ferry_energy_is_twin(&source->trace, &other->trace))
			continue;
		spin_lock(&source->lock);
		strscpy(source->twin, other->name, sizeof(source->twin));
		spin_unlock(&source->lock);
		return;
	}
}

/* Index of the source with @name among those that are summed, one that is none if there is none. */
static u8 ferry_energy_index(const char *name)
{
	struct ferry_energy_source *source;
	u8 index = 0;

	list_for_each_entry(source, &ferry_energy_sources, node)
	{
		if (source->owner == FERRY_ENERGY_OWNER_TOTAL)
			continue;
		if (name[0] && !strcmp(source->name, name))
			return index;
		index++;
	}
	return U8_MAX;
}

/* Takes the sum of all sources into "total". */
static void ferry_energy_add_up(u64 now)
{
	/* Not on the stack; the caller holds the lock. */
	static struct ferry_energy_part parts[FERRY_ENERGY_SOURCES_MAX];
	struct ferry_energy_source *total = ferry_energy_sum_source, *source;
	struct ferry_energy_meter *meter = &total->meter;
	struct ferry_energy_view view;
	struct ferry_energy_sum sum;
	unsigned int n = 0;

	list_for_each_entry(source, &ferry_energy_sources, node)
	{
		if (source == total)
			continue;
		ferry_energy_source_view(source, &view);
		ferry_energy_follow(source, &view);
		if (source->owner != FERRY_ENERGY_OWNER_MODEL)
			ferry_energy_match(source);
		ferry_energy_source_view(source, &view);
		parts[n++] = (struct ferry_energy_part){
			.power_uw = view.power_uw,
			.uncertainty_uw = view.uncertainty_uw,
			.energy_uj = view.energy_uj - source->summed_uj,
			.kind = view.kind,
			.provenance = view.provenance,
			.same_as = ferry_energy_index(view.mirror_of),
			.declared = source->last.mirror_of[0],
			.known = view.known,
			.charging = view.charging,
		};
		source->summed_uj = view.energy_uj;
	}
	sum = ferry_energy_total(parts, n);

	spin_lock(&total->lock);
	meter->taken_ns = now;
	/* The sampler may be late; who is late by a second more has stopped. */
	meter->valid_ns = (u64)ferry_energy_sampler_valid_ms() * NSEC_PER_MSEC + NSEC_PER_SEC;
	meter->has_reading = sum.scope != FERRY_ENERGY_SCOPE_NONE;
	meter->has_power = meter->has_average = meter->moves = meter->has_reading;
	meter->average_uw = sum.power_uw;
	meter->energy_uj += sum.energy_uj;
	total->scope = sum.scope;
	total->last.provenance = sum.provenance;
	total->last.error_ppm = 0;
	if (sum.power_uw)
		total->last.error_ppm =
			min_t(u64, ferry_energy_scale(sum.uncertainty_uw, FERRY_PPM, sum.power_uw),
			      U32_MAX);
	spin_unlock(&total->lock);
}

/* Tells whoever waits for it what has changed in @source. */
static void ferry_energy_announce(struct ferry_energy_source *source)
{
	struct ferry_energy_view now;
	const struct ferry_energy_view *before = &source->told;
	struct kobject *kobj = &source->dev->kobj;
	bool changed = false;
	u32 turned;

	ferry_energy_source_view(source, &now);
	turned = now.fresh ^ before->fresh;
#define ferry_announce(changes, file)                   \
	do {                                            \
		if (changes) {                          \
			sysfs_notify(kobj, NULL, file); \
			changed = true;                 \
		}                                       \
	} while (0)
	ferry_announce(now.known != before->known || now.public_uw != before->public_uw,
		       "power_uw");
	ferry_announce(now.provenance != before->provenance, "source");
	ferry_announce(now.state != before->state, "state");
	ferry_announce(now.temperature_mdeg != before->temperature_mdeg ||
			       turned & FERRY_ENERGY_HAS_TEMPERATURE,
		       "temperature_mdeg");
	ferry_announce(now.battery_ppm / 1000 != before->battery_ppm / 1000 ||
			       turned & FERRY_ENERGY_HAS_CHARGE,
		       "battery_ppm");
	ferry_announce(now.charging != before->charging || turned & FERRY_ENERGY_HAS_CHARGING,
		       "charging");
	ferry_announce(now.scope != before->scope, "scope");
	ferry_announce(strcmp(now.mirror_of, before->mirror_of), "mirror_of");
#undef ferry_announce
	if (changed)
		ferry_energy_tell(source, FERRY_ENERGY_CHANGED);
}

/* Whether @source, one that the kernel reads itself, has been out of reach for long. */
static bool ferry_energy_is_forgotten(struct ferry_energy_source *source)
{
	struct ferry_energy_view view;

	if (source->owner != FERRY_ENERGY_OWNER_SUPPLY)
		return false;
	ferry_energy_source_view(source, &view);
	return view.age_ms >= FERRY_ENERGY_FORGET_MS;
}

bool ferry_energy_sources_settle(void)
{
	struct ferry_energy_source *source, *next;
	bool more;

	mutex_lock(&ferry_energy_lock);
	ferry_energy_add_up(ktime_get_boottime_ns());
	list_for_each_entry_safe(source, next, &ferry_energy_sources, node)
	{
		if (ferry_energy_is_forgotten(source)) {
			ferry_energy_tell(source, FERRY_ENERGY_GONE);
			ferry_energy_destroy(source);
			continue;
		}
		ferry_energy_announce(source);
	}
	more = ferry_energy_count > 1;
	mutex_unlock(&ferry_energy_lock);
	return more;
}

int ferry_energy_sources_start(void)
{
	struct ferry_energy_source *total;

	mutex_lock(&ferry_energy_lock);
	total = ferry_energy_create("total", FERRY_ENERGY_OWNER_TOTAL, FERRY_ENERGY_KIND_TOTAL,
				    FERRY_ENERGY_HAS_POWER | FERRY_ENERGY_HAS_ERROR |
					    FERRY_ENERGY_HAS_SCOPE);
	if (!IS_ERR(total)) {
		ferry_energy_sum_source = total;
		ferry_energy_source_view(total, &total->told);
	}
	mutex_unlock(&ferry_energy_lock);
	return PTR_ERR_OR_ZERO(total);
}

void ferry_energy_sources_stop(void)
{
	struct ferry_energy_source *source, *next;

	mutex_lock(&ferry_energy_lock);
	list_for_each_entry_safe(source, next, &ferry_energy_sources, node)
		ferry_energy_destroy(source);
	ferry_energy_sum_source = NULL;
	mutex_unlock(&ferry_energy_lock);
}

int ferry_energy_register_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_register(&ferry_energy_chain, nb);
}

int ferry_energy_unregister_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_unregister(&ferry_energy_chain, nb);
}
