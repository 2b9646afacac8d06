/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The energy sources that there are: the kernel's own readers, the model and whoever pushes over
 * netlink feed them; sysfs, hwmon and netlink show them; the sum over them is the source "total".
 */
#ifndef FERRY_ENERGY_SOURCE_H
#define FERRY_ENERGY_SOURCE_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "../core/energy_total.h"

struct device;
struct netlink_ext_ack;
struct notifier_block;

/* Who feeds a source. */
enum ferry_energy_owner {
	FERRY_ENERGY_OWNER_PUSH,
	FERRY_ENERGY_OWNER_SUPPLY,
	FERRY_ENERGY_OWNER_THERMAL,
	FERRY_ENERGY_OWNER_MODEL,
	FERRY_ENERGY_OWNER_TOTAL,
};

/* What a reading has, and what a source has ever had. */
#define FERRY_ENERGY_HAS_POWER	     BIT(0)
#define FERRY_ENERGY_HAS_COUNTER     BIT(1)
#define FERRY_ENERGY_HAS_TEMPERATURE BIT(2)
#define FERRY_ENERGY_HAS_CHARGE	     BIT(3)
#define FERRY_ENERGY_HAS_UWH	     BIT(4)
#define FERRY_ENERGY_HAS_CHARGING    BIT(5)
#define FERRY_ENERGY_HAS_ERROR	     BIT(6)
#define FERRY_ENERGY_HAS_MIRROR	     BIT(7)
#define FERRY_ENERGY_HAS_SCOPE	     BIT(8)

/* Those of them that hold for a time, as many bits from the lowest on. */
#define FERRY_ENERGY_VALUES	     6

/**
 * struct ferry_energy_reading - what a source says at one time
 * @taken_ns:	      ktime_get_boottime_ns() of that time
 * @valid_ms:	      how long after that it holds
 * @has:	      which of the following it says, FERRY_ENERGY_HAS_*
 * @provenance:	      enum ferry_provenance
 * @charging:	      a battery takes power, it does not give any
 * @power_uw:	      what it gives; where there is a counter too, that counts
 * @counter_uj:	      its own counter
 * @counter_max:      where that starts again at 0, see ferry_energy_counter_max()
 * @battery_uwh:      energy left
 * @battery_ppm:      the same as a share of what the battery can hold
 * @error_ppm:	      how far the power may be off
 * @temperature_mdeg: thousandths of a degree Celsius
 * @mirror_of:	      another source that shows the same sensor; empty for none any more
 */
struct ferry_energy_reading {
	u64 taken_ns;
	u32 valid_ms;
	u32 has;
	u8 provenance;
	bool charging;
	u64 power_uw;
	u64 counter_uj;
	u64 counter_max;
	u64 battery_uwh;
	u32 battery_ppm;
	u32 error_ppm;
	s32 temperature_mdeg;
	char mirror_of[FERRY_ENERGY_NAME_MAX + 1];
};

/**
 * struct ferry_energy_view - a source as it is now, for those who show it
 * @id:		  grows with each source that is created, never 0
 * @name:	  its directory in sysfs
 * @kind:	  enum ferry_energy_kind
 * @provenance:	  enum ferry_provenance; NONE where it says nothing at the moment
 * @known:	  there is a power: @power_uw, @public_uw and @uncertainty_uw mean something
 * @charging:	  see struct ferry_energy_reading
 * @state:	  enum ferry_energy_state
 * @scope:	  what a total is made of
 * @has:	  what the source has ever said, FERRY_ENERGY_HAS_*
 * @fresh:	  what of that holds; not POWER and COUNTER, for which there is @known
 * @age_ms:	  of the last reading; saturates
 * @power_uw:	  average over the last second or more, for root
 * @public_uw:	  the same for everybody
 * @uncertainty_uw: how far @public_uw may be off
 * @energy_uj:	  since the source was created, for root
 * @battery_uwh:  for root
 * @battery_ppm:  for root
 * @error_ppm:	  see struct ferry_energy_reading
 * @temperature_mdeg: likewise
 * @mirror_of:	  as declared or found out; empty for none
 */
struct ferry_energy_view {
	u32 id;
	char name[FERRY_ENERGY_NAME_MAX + 1];
	u8 kind;
	u8 provenance;
	bool known;
	bool charging;
	enum ferry_energy_state state;
	enum ferry_energy_scope scope;
	u32 has;
	u32 fresh;
	u32 age_ms;
	u64 power_uw;
	u64 public_uw;
	u64 uncertainty_uw;
	u64 energy_uj;
	u64 battery_uwh;
	u32 battery_ppm;
	u32 error_ppm;
	s32 temperature_mdeg;
	char mirror_of[FERRY_ENERGY_NAME_MAX + 1];
};

/* A source, for the files of this folder. */
struct ferry_energy_source {
	struct list_head node;
	struct device *dev;   /* its directory; its driver data is this structure */
	struct device *hwmon; /* NULL where the kernel shows it in hwmon anyway, or could not */
	u32 id;
	u8 kind;
	enum ferry_energy_owner owner;
	char name[FERRY_ENERGY_NAME_MAX + 1];
	char hwmon_name[sizeof("ferry_") + FERRY_ENERGY_NAME_MAX]; /* hwmon keeps a pointer to it */

	/* Readers of sysfs and hwmon take only this lock: who removes files waits for them. */
	spinlock_t lock;
	struct ferry_energy_meter meter;
	struct ferry_energy_reading last;
	u64 until_ns[FERRY_ENERGY_VALUES]; /* each value of it: a reading need not have all */
	enum ferry_energy_scope scope;
	char twin[FERRY_ENERGY_NAME_MAX + 1]; /* found out to show the same sensor */

	/* Of whoever holds the lock of the list. */
	struct ferry_energy_trace trace;
	struct ferry_energy_view told; /* what the last event said */
	u64 summed_uj;		       /* how much of its energy is in the total */
	u8 doubts;
};

/**
 * ferry_energy_sources_start() - create the source "total"
 *
 * The class has to be there.
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_energy_sources_start(void);

/**
 * ferry_energy_sources_stop() - remove all sources
 *
 * Nobody may feed any more.
 *
 * Context: process context, may sleep. Waits for readers of sysfs and hwmon.
 */
void ferry_energy_sources_stop(void);

/**
 * ferry_energy_source_feed() - take a reading into a source, and create that if it is new
 * @name:    of the source; of PUSH, whatever its sender wrote
 * @owner:   who feeds it
 * @kind:    enum ferry_energy_kind, or -1 for a source that is there already
 * @reading: what it says; all values within the ranges of include/uapi/linux/ferry.h
 * @extack:  gets a sentence about a refusal; may be NULL
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL for a name or kind that cannot be, -ENOENT for an unknown source without
 * kind, -EBUSY for a source that somebody else feeds, -ENOSPC for one source too many, -ESTALE for
 * a reading older than the last, -ERANGE for a counter beyond its end, -ENOMEM.
 */
int ferry_energy_source_feed(const char *name, enum ferry_energy_owner owner, int kind,
			     const struct ferry_energy_reading *reading,
			     struct netlink_ext_ack *extack);

/**
 * ferry_energy_source_remove() - remove a source
 * @name:   of the source
 * @owner:  who feeds it
 * @extack: gets a sentence about a refusal; may be NULL
 *
 * Context: process context, may sleep. Waits for readers of its files.
 * Return: 0, -ENOENT, or -EBUSY where somebody else feeds it.
 */
int ferry_energy_source_remove(const char *name, enum ferry_energy_owner owner,
			       struct netlink_ext_ack *extack);

/**
 * ferry_energy_source_find() - look at a source
 * @name: of the source
 * @view: gets what it is now
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOENT.
 */
int ferry_energy_source_find(const char *name, struct ferry_energy_view *view);

/**
 * ferry_energy_source_next() - look at sources one after the other
 * @after: id of the last one that was looked at, 0 for the first
 * @view:  gets what it is now
 *
 * Sources that come and go meanwhile are seen or not; no other is missed or seen twice.
 *
 * Context: process context, may sleep.
 * Return: whether there is one.
 */
bool ferry_energy_source_next(u32 after, struct ferry_energy_view *view);

/**
 * ferry_energy_source_view() - look at a source that cannot go away
 * @source: the source
 * @view:   gets what it is now
 *
 * Context: any but interrupts.
 */
void ferry_energy_source_view(struct ferry_energy_source *source, struct ferry_energy_view *view);

/**
 * ferry_energy_sources_settle() - find mirrors, take the sum, tell of changes, forget the dead
 *
 * Called once a second by the sampler.
 *
 * Context: process context, may sleep.
 * Return: whether there is any source that makes it necessary to come back.
 */
bool ferry_energy_sources_settle(void);

/* Actions of the notifier; its data is a struct ferry_energy_view. */
enum {
	FERRY_ENERGY_CHANGED,
	FERRY_ENERGY_GONE,
};

/**
 * ferry_energy_register_notifier() - be told of sources that come, change and go
 * @nb: called in process context, for one source no more than once a second; may not call back
 *
 * Return: 0, or -EEXIST where @nb is registered already.
 */
int ferry_energy_register_notifier(struct notifier_block *nb);

/**
 * ferry_energy_unregister_notifier() - undo ferry_energy_register_notifier()
 * @nb: as registered; not called any more when this returns
 *
 * Return: 0, or -ENOENT where @nb is not registered.
 */
int ferry_energy_unregister_notifier(struct notifier_block *nb);

#endif /* FERRY_ENERGY_SOURCE_H */
