// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout "info": parameters.  They are written before the device is opened;
 * then they are what it is.  Values are one word, and a bool is 1 or 0.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "testdev.h"

#define TESTDEV_PARAMS_RSS	BIT(0)
#define TESTDEV_PARAMS_SEALED	BIT(1)
#define TESTDEV_PARAMS_FILTERS_SHIFT	16

static const char *const testdev_modes[] = { "plain", "sealed" };

void testdev_params_init(struct testdev *tdev)
{
	tdev->params.rss = true;
}

u32 testdev_params_config(struct testdev *tdev)
{
	const struct testdev_params *params = &tdev->params;

	return (params->rss ? TESTDEV_PARAMS_RSS : 0) |
	       (params->sealed ? TESTDEV_PARAMS_SEALED : 0) |
	       (u32)params->filters << TESTDEV_PARAMS_FILTERS_SHIFT;
}

/* Say which parameter a state's header has otherwise. */
void testdev_params_explain(struct testdev *tdev, u32 config)
{
	const struct testdev_params *params = &tdev->params;
	struct device *dev = tdev->vdev.dev;
	u32 other = config ^ testdev_params_config(tdev);

	if (other & TESTDEV_PARAMS_RSS)
		dev_info_ratelimited(dev, "refused: rss is %u, not %u\n", params->rss,
				     !params->rss);
	if (other & TESTDEV_PARAMS_SEALED)
		dev_info_ratelimited(dev, "refused: mode is %s, not %s\n",
				     testdev_modes[params->sealed], testdev_modes[!params->sealed]);
	if (other >> TESTDEV_PARAMS_FILTERS_SHIFT)
		dev_info_ratelimited(dev, "refused: filters is %u, not %u\n", params->filters,
				     config >> TESTDEV_PARAMS_FILTERS_SHIFT);
}

ssize_t testdev_params_show_type(const struct testdev_type *type, char *buf)
{
	ssize_t at = 0;

	at += sysfs_emit_at(buf, at, "{\"models\": {\"vferry.org/testdev-info\": {\"params\": {\n");
	at += sysfs_emit_at(buf, at,
			    "\"banks\": {\"type\": \"int\", \"allowed_values\": [%u], \"init_value\": %u, \"description\": \"register banks of 1 KiB\"},\n",
			    type->banks, type->banks);
	if (type->filters)
		at += sysfs_emit_at(buf, at,
				    "\"filters\": {\"type\": \"int\", \"allowed_values\": [0, \"16-64\", 128], \"init_value\": 0, \"off_value\": 0},\n");
	at += sysfs_emit_at(buf, at,
			    "\"mode\": {\"type\": \"str\", \"allowed_values\": [\"plain\", \"sealed\"], \"init_value\": \"plain\"},\n");
	at += sysfs_emit_at(buf, at,
			    "\"pages\": {\"type\": \"int\", \"allowed_values\": [\"%llu-%llu\"], \"init_value\": %llu, \"description\": \"payload in pages of 4 KiB\"},\n",
			    (u64)TESTDEV_STATE_SIZE_MIN >> TESTDEV_PAGE_SHIFT,
			    (u64)TESTDEV_STATE_SIZE_MAX >> TESTDEV_PAGE_SHIFT,
			    testdev_default_state_size() >> TESTDEV_PAGE_SHIFT);
	at += sysfs_emit_at(buf, at,
			    "\"rss\": {\"type\": \"bool\", \"init_value\": true, \"off_value\": false, \"description\": \"receive side scaling\"}\n");
	at += sysfs_emit_at(buf, at, "}}}}\n");
	return at;
}

/* What the device is, it stays while it is open. */
static int testdev_params_check_closed(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	return tdev->bank ? -EBUSY : 0;
}

static ssize_t banks_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", tdev->type->banks);
}

static ssize_t banks_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	unsigned int value;
	int ret;

	ret = kstrtouint(buf, 10, &value);
	if (ret)
		return ret;
	return value == tdev->type->banks ? count : -EINVAL;
}
static DEVICE_ATTR_RW(banks);

static ssize_t filters_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%u\n", tdev->params.filters);
}

static ssize_t filters_store(struct device *dev, struct device_attribute *attr, const char *buf,
			     size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	u16 value;
	int ret;

	ret = kstrtou16(buf, 10, &value);
	if (ret)
		return ret;
	if (value && value != 128 && (value < 16 || value > 64))
		return -EINVAL;

	guard(mutex)(&tdev->lock);
	ret = testdev_params_check_closed(tdev);
	if (ret)
		return ret;
	tdev->params.filters = value;
	return count;
}
static DEVICE_ATTR_RW(filters);

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%s\n", testdev_modes[tdev->params.sealed]);
}

static ssize_t mode_store(struct device *dev, struct device_attribute *attr, const char *buf,
			  size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	int found = sysfs_match_string(testdev_modes, buf);
	int ret;

	if (found < 0)
		return -EINVAL;

	guard(mutex)(&tdev->lock);
	ret = testdev_params_check_closed(tdev);
	if (ret)
		return ret;
	tdev->params.sealed = found;
	return count;
}
static DEVICE_ATTR_RW(mode);

static ssize_t pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%llu\n", tdev->knobs.state_size >> TESTDEV_PAGE_SHIFT);
}

static ssize_t pages_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	u32 value;
	int ret;

	ret = kstrtou32(buf, 10, &value);
	if (ret)
		return ret;
	if (!value || value > TESTDEV_STATE_SIZE_MAX >> TESTDEV_PAGE_SHIFT)
		return -ERANGE;

	guard(mutex)(&tdev->lock);
	ret = testdev_params_check_closed(tdev);
	if (ret)
		return ret;
	tdev->knobs.state_size = (u64)value << TESTDEV_PAGE_SHIFT;
	return count;
}
static DEVICE_ATTR_RW(pages);

static ssize_t rss_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%u\n", tdev->params.rss);
}

static ssize_t rss_store(struct device *dev, struct device_attribute *attr, const char *buf,
			 size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	bool value;
	int ret;

	ret = kstrtobool(buf, &value);
	if (ret)
		return ret;

	guard(mutex)(&tdev->lock);
	ret = testdev_params_check_closed(tdev);
	if (ret)
		return ret;
	tdev->params.rss = value;
	return count;
}
static DEVICE_ATTR_RW(rss);

static struct attribute *testdev_params_attrs[] = {
	&dev_attr_banks.attr,
	&dev_attr_filters.attr,
	&dev_attr_mode.attr,
	&dev_attr_pages.attr,
	&dev_attr_rss.attr,
	NULL,
};

/* A type has the files of the parameters that it describes. */
static umode_t testdev_params_is_visible(struct kobject *kobj, struct attribute *attr, int n)
{
	struct testdev *tdev = dev_get_drvdata(kobj_to_dev(kobj));

	return attr == &dev_attr_filters.attr && !tdev->type->filters ? 0 : attr->mode;
}

static const struct attribute_group testdev_params_group = {
	.name = "migration",
	.attrs = testdev_params_attrs,
	.is_visible = testdev_params_is_visible,
};

const struct attribute_group *testdev_params_device_groups[] = {
	&testdev_device_group,
	&testdev_params_group,
	NULL,
};
