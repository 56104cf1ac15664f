// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout "models": a device is of one of its type's models, in one of its
 * versions, and these say all of it: how large the state is, too.
 */
#include <linux/device.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "testdev.h"

#define TESTDEV_MODEL_CARD	"vferry.org/testdev-card"
#define TESTDEV_MODEL_LITE	"vferry.org/testdev-lite"

/* The number that a stream has is the place in here. */
static const struct testdev_version testdev_versions[] = {
	{ TESTDEV_MODEL_CARD, "1-v1", SZ_1M },
	{ TESTDEV_MODEL_CARD, "1-v2", SZ_2M },
	{ TESTDEV_MODEL_CARD, "2-v1", SZ_1M },
	{ TESTDEV_MODEL_CARD, "2-v2", SZ_2M },
	{ TESTDEV_MODEL_LITE, "v1", SZ_64K },
};

/* Whether devices of the type can be of that version. */
static bool testdev_versions_has(const struct testdev_type *type, unsigned int n)
{
	return type->versions & BIT(n);
}

/* The newest version of a model, NULL: of the first; a type's own default. */
static const struct testdev_version *testdev_versions_newest(const struct testdev_type *type,
							     const char *model)
{
	const struct testdev_version *found = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(testdev_versions); i++) {
		const struct testdev_version *version = &testdev_versions[i];

		if (!testdev_versions_has(type, i))
			continue;
		if (sysfs_streq(version->model, model ?: found ? found->model : version->model))
			found = version;
	}
	return found;
}

static void testdev_versions_set(struct testdev *tdev, const struct testdev_version *version)
{
	tdev->version = version;
	tdev->knobs.state_size = version->state_size;
}

void testdev_versions_init(struct testdev *tdev)
{
	testdev_versions_set(tdev, testdev_versions_newest(tdev->type, NULL));
}

u32 testdev_versions_config(struct testdev *tdev)
{
	return tdev->version - testdev_versions;
}

void testdev_versions_explain(struct testdev *tdev, u32 config)
{
	const struct testdev_version *other =
		config < ARRAY_SIZE(testdev_versions) ? &testdev_versions[config] : NULL;

	dev_info_ratelimited(tdev->vdev.dev, "refused: it is a %s %s, not a %s %s\n",
			     tdev->version->model, tdev->version->name, other ? other->model : "?",
			     other ? other->name : "?");
}

ssize_t testdev_versions_show_type(const struct testdev_type *type, char *buf)
{
	const char *model = NULL;
	ssize_t at = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(testdev_versions); i++) {
		const struct testdev_version *version = &testdev_versions[i];

		if (!testdev_versions_has(type, i))
			continue;
		if (version->model != model)
			at += sysfs_emit_at(buf, at, "%s:\n", version->model);
		model = version->model;
		at += sysfs_emit_at(buf, at, " %s\n", version->name);
	}
	return at;
}

/* A device that is open stays what it is. */
static int testdev_versions_choose(struct testdev *tdev, const struct testdev_version *version)
{
	lockdep_assert_held(&tdev->lock);
	if (!version)
		return -EINVAL;
	if (tdev->bank)
		return -EBUSY;
	testdev_versions_set(tdev, version);
	return 0;
}

static ssize_t device_model_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%s\n", tdev->version->model);
}

static ssize_t device_model_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	int ret;

	guard(mutex)(&tdev->lock);
	ret = testdev_versions_choose(tdev, testdev_versions_newest(tdev->type, buf));
	return ret ? ret : count;
}
static DEVICE_ATTR_RW(device_model);

static ssize_t version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct testdev *tdev = dev_get_drvdata(dev);

	guard(mutex)(&tdev->lock);
	return sysfs_emit(buf, "%s\n", tdev->version->name);
}

static ssize_t version_store(struct device *dev, struct device_attribute *attr, const char *buf,
			     size_t count)
{
	struct testdev *tdev = dev_get_drvdata(dev);
	const struct testdev_version *found = NULL;
	unsigned int i;
	int ret;

	guard(mutex)(&tdev->lock);
	for (i = 0; i < ARRAY_SIZE(testdev_versions); i++)
		if (testdev_versions_has(tdev->type, i) &&
		    !strcmp(testdev_versions[i].model, tdev->version->model) &&
		    sysfs_streq(testdev_versions[i].name, buf))
			found = &testdev_versions[i];
	ret = testdev_versions_choose(tdev, found);
	return ret ? ret : count;
}
static DEVICE_ATTR_RW(version);

static struct attribute *testdev_versions_attrs[] = {
	&dev_attr_device_model.attr,
	&dev_attr_version.attr,
	NULL,
};

static const struct attribute_group testdev_versions_group = {
	.name = "migration",
	.attrs = testdev_versions_attrs,
};

const struct attribute_group *testdev_versions_device_groups[] = {
	&testdev_device_group,
	&testdev_versions_group,
	NULL,
};
