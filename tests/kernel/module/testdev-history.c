// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last migration states of all devices, oldest first, with the time at
 * which each was entered.  It belongs to the parent, so what a device did is
 * still there after the device has been closed and removed: who wants to show
 * that two sides never ran at once needs just that.  Each entry wakes those
 * who poll the attribute.
 */
#include <linux/device.h>
#include <linux/kernfs.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "testdev.h"

/* As many lines as surely fit into the page that an attribute has. */
#define TESTDEV_HISTORY_LINES	48

struct testdev_history_line {
	u64 time;
	char device[UUID_STRING_LEN + 1];
	const char *state;
};

static_assert(TESTDEV_HISTORY_LINES * (20 + UUID_STRING_LEN + sizeof("pre-copy-p2p") + 3) <=
	      PAGE_SIZE);

static struct {
	spinlock_t lock;
	u64 count;
	struct testdev_history_line lines[TESTDEV_HISTORY_LINES];
	struct kernfs_node *node;
} testdev_history = {
	.lock = __SPIN_LOCK_UNLOCKED(testdev_history.lock),
};

/**
 * testdev_history_add - note that a device has entered a state
 * @tdev: the device
 * @state: the state's name, a literal
 */
void testdev_history_add(struct testdev *tdev, const char *state)
{
	struct testdev_history_line *line;

	lockdep_assert_held(&tdev->lock);
	scoped_guard(spinlock, &testdev_history.lock) {
		line = &testdev_history.lines[testdev_history.count++ % TESTDEV_HISTORY_LINES];
		line->time = ktime_get_ns();
		line->state = state;
		strscpy(line->device, dev_name(tdev->vdev.dev), sizeof(line->device));
	}
	sysfs_notify_dirent(testdev_history.node);
}

static ssize_t history_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	ssize_t length = 0;
	u64 i;

	guard(spinlock)(&testdev_history.lock);
	i = testdev_history.count - min_t(u64, testdev_history.count, TESTDEV_HISTORY_LINES);
	for (; i < testdev_history.count; i++) {
		struct testdev_history_line *line = &testdev_history.lines[i % TESTDEV_HISTORY_LINES];

		length += sysfs_emit_at(buf, length, "%llu %s %s\n", line->time, line->device,
					line->state);
	}
	return length;
}
DEVICE_ATTR_RO(history);

/* Before the first device and after the parent has its attributes. */
int testdev_history_begin(struct device *parent)
{
	testdev_history.node = sysfs_get_dirent(parent->kobj.sd, "history");
	return testdev_history.node ? 0 : -ENOENT;
}

/* After the last device. */
void testdev_history_end(void)
{
	sysfs_put(testdev_history.node);
}
