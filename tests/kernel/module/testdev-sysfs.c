// SPDX-License-Identifier: GPL-2.0-only
/*
 * What tests set and read: testdev/ of each device, and defaults/ of the
 * parent for devices that do not exist yet.  Both have the same knobs, parsed
 * and printed by the same functions.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "testdev.h"

static int testdev_parse_state_size(const char *buf, struct testdev_knobs *knobs)
{
	u64 value;
	int ret;

	/* The version says it. */
	if (testdev_layout() == TESTDEV_LAYOUT_MODELS)
		return -EOPNOTSUPP;
	ret = kstrtou64(buf, 10, &value);
	if (ret)
		return ret;
	if (value < TESTDEV_STATE_SIZE_MIN || value > TESTDEV_STATE_SIZE_MAX)
		return -ERANGE;
	if (!IS_ALIGNED(value, TESTDEV_PAGE_SIZE))
		return -EINVAL;

	knobs->state_size = value;
	return 0;
}

static int testdev_parse_dirty_rate(const char *buf, struct testdev_knobs *knobs)
{
	u64 value;
	int ret;

	ret = kstrtou64(buf, 10, &value);
	if (ret)
		return ret;
	if (value > TESTDEV_DIRTY_RATE_MAX)
		return -ERANGE;

	knobs->dirty_rate = value;
	return 0;
}

static int testdev_parse_delay(const char *buf, u32 *delay_us)
{
	u32 value;
	int ret;

	ret = kstrtou32(buf, 10, &value);
	if (ret)
		return ret;
	if (value > TESTDEV_DELAY_US_MAX)
		return -ERANGE;

	*delay_us = value;
	return 0;
}

static int testdev_parse_read_delay_us(const char *buf, struct testdev_knobs *knobs)
{
	return testdev_parse_delay(buf, &knobs->read_delay_us);
}

static int testdev_parse_write_delay_us(const char *buf, struct testdev_knobs *knobs)
{
	return testdev_parse_delay(buf, &knobs->write_delay_us);
}

/* At PRE_COPY and PRE_COPY_P2P, the states in which the user can be told. */
static int testdev_parse_reinit_state(const char *name, struct testdev_reinit *reinit)
{
	enum vfio_device_mig_state state;

	for (state = VFIO_DEVICE_STATE_PRE_COPY; state <= VFIO_DEVICE_STATE_PRE_COPY_P2P; state++) {
		if (sysfs_streq(name, testdev_migration_state_name(state))) {
			reinit->state = state;
			return 0;
		}
	}
	return -EINVAL;
}

static int testdev_parse_reinit(const char *buf, struct testdev_knobs *knobs)
{
	struct testdev_reinit reinit = { .kind = TESTDEV_REINIT_NONE };
	size_t length;
	int ret = 0;

	if ((length = str_has_prefix(buf, "after "))) {
		reinit.kind = TESTDEV_REINIT_AFTER;
		ret = kstrtou64(buf + length, 10, &reinit.bytes);
	} else if ((length = str_has_prefix(buf, "at "))) {
		reinit.kind = TESTDEV_REINIT_AT;
		ret = testdev_parse_reinit_state(buf + length, &reinit);
	} else if (!sysfs_streq(buf, "none")) {
		ret = -EINVAL;
	}
	if (!ret)
		knobs->reinit = reinit;
	return ret;
}

static const struct {
	const char *word;
	enum testdev_fault_kind kind;
	bool at_state;	/* or after so many bytes */
} testdev_faults[] = {
	{ "refuse ", TESTDEV_FAULT_REFUSE, true },
	{ "error ", TESTDEV_FAULT_ERROR, true },
	{ "hang ", TESTDEV_FAULT_HANG, true },
	{ "io-after ", TESTDEV_FAULT_IO_AFTER },
	{ "error-after ", TESTDEV_FAULT_ERROR_AFTER },
	{ "hang-after ", TESTDEV_FAULT_HANG_AFTER },
	{ "reset ", TESTDEV_FAULT_RESET, true },
	{ "reset-after ", TESTDEV_FAULT_RESET_AFTER },
};

/* ERROR can't be entered on request, so no fault can strike there. */
static int testdev_parse_state(const char *name, struct testdev_fault *fault)
{
	enum vfio_device_mig_state state;

	for (state = VFIO_DEVICE_STATE_STOP; state < VFIO_DEVICE_STATE_NR; state++) {
		if (sysfs_streq(name, testdev_migration_state_name(state))) {
			fault->state = state;
			return 0;
		}
	}
	return -EINVAL;
}

static int testdev_parse_placed_fault(const char *buf, struct testdev_fault *fault)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(testdev_faults); i++) {
		size_t length = str_has_prefix(buf, testdev_faults[i].word);

		if (!length)
			continue;
		fault->kind = testdev_faults[i].kind;
		return testdev_faults[i].at_state ? testdev_parse_state(buf + length, fault) :
						    kstrtou64(buf + length, 10, &fault->bytes);
	}
	return -EINVAL;
}

static int testdev_parse_fault(const char *buf, struct testdev_knobs *knobs)
{
	struct testdev_fault fault = { .kind = TESTDEV_FAULT_NONE };
	int ret = 0;

	if (sysfs_streq(buf, "load-final"))
		fault.kind = TESTDEV_FAULT_LOAD_FINAL;
	else if (!sysfs_streq(buf, "none"))
		ret = testdev_parse_placed_fault(buf, &fault);
	if (!ret)
		knobs->fault = fault;
	return ret;
}

static ssize_t testdev_print_state_size(const struct testdev_knobs *knobs, char *buf)
{
	return sysfs_emit(buf, "%llu\n", knobs->state_size);
}

static ssize_t testdev_print_dirty_rate(const struct testdev_knobs *knobs, char *buf)
{
	return sysfs_emit(buf, "%llu\n", knobs->dirty_rate);
}

static ssize_t testdev_print_read_delay_us(const struct testdev_knobs *knobs, char *buf)
{
	return sysfs_emit(buf, "%u\n", knobs->read_delay_us);
}

static ssize_t testdev_print_write_delay_us(const struct testdev_knobs *knobs, char *buf)
{
	return sysfs_emit(buf, "%u\n", knobs->write_delay_us);
}

static ssize_t testdev_print_reinit(const struct testdev_knobs *knobs, char *buf)
{
	const struct testdev_reinit *reinit = &knobs->reinit;

	switch (reinit->kind) {
	case TESTDEV_REINIT_AFTER:
		return sysfs_emit(buf, "after %llu\n", reinit->bytes);
	case TESTDEV_REINIT_AT:
		return sysfs_emit(buf, "at %s\n", testdev_migration_state_name(reinit->state));
	default:
		return sysfs_emit(buf, "none\n");
	}
}

static ssize_t testdev_print_fault(const struct testdev_knobs *knobs, char *buf)
{
	const struct testdev_fault *fault = &knobs->fault;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(testdev_faults); i++) {
		if (testdev_faults[i].kind != fault->kind)
			continue;
		if (testdev_faults[i].at_state)
			return sysfs_emit(buf, "%s%s\n", testdev_faults[i].word,
					  testdev_migration_state_name(fault->state));
		return sysfs_emit(buf, "%s%llu\n", testdev_faults[i].word, fault->bytes);
	}
	return sysfs_emit(buf, "%s\n",
			  fault->kind == TESTDEV_FAULT_LOAD_FINAL ? "load-final" : "none");
}

typedef int (*testdev_parse_fn)(const char *buf, struct testdev_knobs *knobs);

static ssize_t testdev_store(struct device *dev, const char *buf, size_t count,
			     testdev_parse_fn parse)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	int ret;

	guard(mutex)(&tdev->lock);
	/* The memory has its size while it exists. */
	if (parse == testdev_parse_state_size && tdev->bank)
		return -EBUSY;

	/* Time that passed counts at the old rate, time to come at the new one. */
	testdev_state_advance(tdev);
	ret = parse(buf, &tdev->knobs);
	if (ret)
		return ret;

	if (parse == testdev_parse_dirty_rate)
		testdev_state_start_clock(tdev);
	if (parse == testdev_parse_reinit && tdev->session)
		tdev->session->reinit_done = false;
	/* A poller looks again: at the new rate, or into a fault. */
	if (tdev->session)
		testdev_save_wake(tdev->session);
	return count;
}

static ssize_t testdev_store_default(struct device *dev, const char *buf, size_t count,
				     testdev_parse_fn parse)
{
	struct testdev_parent *parent = dev_get_drvdata(dev);
	int ret;

	guard(mutex)(&parent->lock);
	ret = parse(buf, &parent->defaults);
	return ret ? ret : count;
}

/* One knob: <name> in a device's testdev/ and in the parent's defaults/. */
#define TESTDEV_KNOB(_name)								\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,		\
			    char *buf)							\
{											\
	struct testdev *tdev = dev_get_drvdata(dev);					\
											\
	guard(mutex)(&tdev->lock);							\
	return testdev_print_##_name(&tdev->knobs, buf);				\
}											\
static ssize_t _name##_store(struct device *dev, struct device_attribute *attr,	\
			     const char *buf, size_t count)				\
{											\
	return testdev_store(dev, buf, count, testdev_parse_##_name);			\
}											\
static DEVICE_ATTR_RW(_name);								\
static ssize_t default_##_name##_show(struct device *dev,				\
				      struct device_attribute *attr, char *buf)		\
{											\
	struct testdev_parent *parent = dev_get_drvdata(dev);				\
											\
	guard(mutex)(&parent->lock);							\
	return testdev_print_##_name(&parent->defaults, buf);				\
}											\
static ssize_t default_##_name##_store(struct device *dev,				\
				       struct device_attribute *attr,			\
				       const char *buf, size_t count)			\
{											\
	return testdev_store_default(dev, buf, count, testdev_parse_##_name);		\
}											\
static struct device_attribute dev_attr_default_##_name =				\
	__ATTR(_name, 0644, default_##_name##_show, default_##_name##_store)

TESTDEV_KNOB(state_size);
TESTDEV_KNOB(dirty_rate);
TESTDEV_KNOB(read_delay_us);
TESTDEV_KNOB(write_delay_us);
TESTDEV_KNOB(reinit);
TESTDEV_KNOB(fault);

static ssize_t migration_state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%s\n",
			  tdev->bank ? testdev_migration_state_name(tdev->mig_state) : "closed");
}
static DEVICE_ATTR_RO(migration_state);

static ssize_t checksum_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	u64 checksum;
	int ret;

	guard(mutex)(&tdev->lock);
	if (!tdev->bank)
		return sysfs_emit(buf, "closed\n");

	testdev_state_advance(tdev);
	ret = testdev_state_checksum(tdev, &checksum);
	if (ret)
		return ret;
	return sysfs_emit(buf, "%016llx\n", checksum);
}
static DEVICE_ATTR_RO(checksum);

static ssize_t opens_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%llu\n", tdev->opens);
}
static DEVICE_ATTR_RO(opens);

static ssize_t loaded_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%llu\n", tdev->loaded);
}
static DEVICE_ATTR_RO(loaded);

/* As an administrator resets a PCI function, whoever uses it. */
static ssize_t reset_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	if (!sysfs_streq(buf, "1"))
		return -EINVAL;

	guard(mutex)(&tdev->lock);
	/* There is no state that could be lost. */
	if (!tdev->bank)
		return -ENODEV;
	testdev_reset(tdev);
	return count;
}
static DEVICE_ATTR_WO(reset);

static struct attribute *testdev_device_attrs[] = {
	&dev_attr_state_size.attr,
	&dev_attr_dirty_rate.attr,
	&dev_attr_read_delay_us.attr,
	&dev_attr_write_delay_us.attr,
	&dev_attr_reinit.attr,
	&dev_attr_fault.attr,
	&dev_attr_migration_state.attr,
	&dev_attr_checksum.attr,
	&dev_attr_opens.attr,
	&dev_attr_loaded.attr,
	&dev_attr_reset.attr,
	NULL,
};

const struct attribute_group testdev_device_group = {
	.name = "testdev",
	.attrs = testdev_device_attrs,
};

const struct attribute_group *testdev_device_groups[] = {
	&testdev_device_group,
	NULL,
};

static struct attribute *testdev_parent_attrs[] = {
	&dev_attr_default_state_size.attr,
	&dev_attr_default_dirty_rate.attr,
	&dev_attr_default_read_delay_us.attr,
	&dev_attr_default_write_delay_us.attr,
	&dev_attr_default_reinit.attr,
	&dev_attr_default_fault.attr,
	NULL,
};

static const struct attribute_group testdev_parent_group = {
	.name = "defaults",
	.attrs = testdev_parent_attrs,
};

static struct attribute *testdev_history_attrs[] = {
	&dev_attr_history.attr,
	NULL,
};

static const struct attribute_group testdev_history_group = {
	.attrs = testdev_history_attrs,
};

const struct attribute_group *testdev_parent_groups[] = {
	&testdev_parent_group,
	&testdev_history_group,
	NULL,
};
