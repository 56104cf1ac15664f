// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the device describes itself: not at all, or in one of the two layouts of
 * sysfs that were proposed on qemu-devel and that no driver has yet.
 *
 *   info	"RFC v3: VFIO Migration", 2020-11-10: migration_info.json of each
 *		type, and one file for each parameter in migration/ of the device
 *   models	"RFC v4", 2021-08-31: migration_device_models of each type, and
 *		device_model and version in migration/ of the device
 *
 * What is set there is part of the stream's header and is checked when a state
 * is loaded: a layout that nobody enforces would show nothing.
 */
#include <linux/device.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "testdev.h"

static char *layout = "none";
module_param(layout, charp, 0444);
MODULE_PARM_DESC(layout, "how devices describe themselves: none, info or models (default none)");

static const char *const testdev_layout_names[] = {
	[TESTDEV_LAYOUT_NONE] = "none",
	[TESTDEV_LAYOUT_INFO] = "info",
	[TESTDEV_LAYOUT_MODELS] = "models",
};

static enum testdev_layout testdev_layout_chosen;

enum testdev_layout testdev_layout(void)
{
	return testdev_layout_chosen;
}

/**
 * testdev_layout_choose - take the module's parameter
 *
 * Return: 0, or -EINVAL when it names no layout.
 */
int __init testdev_layout_choose(void)
{
	int found = sysfs_match_string(testdev_layout_names, layout);

	if (found < 0) {
		pr_err(TESTDEV_NAME ": layout is %s; it must be none, info or models\n", layout);
		return -EINVAL;
	}
	testdev_layout_chosen = found;
	return 0;
}

/* The groups that a device has in sysfs. */
const struct attribute_group **__init testdev_layout_device_groups(void)
{
	switch (testdev_layout()) {
	case TESTDEV_LAYOUT_INFO:
		return testdev_params_device_groups;
	case TESTDEV_LAYOUT_MODELS:
		return testdev_versions_device_groups;
	default:
		return testdev_device_groups;
	}
}

/* A new device is what its type says at first. */
void testdev_layout_init_device(struct testdev *tdev)
{
	if (testdev_layout() == TESTDEV_LAYOUT_INFO)
		testdev_params_init(tdev);
	if (testdev_layout() == TESTDEV_LAYOUT_MODELS)
		testdev_versions_init(tdev);
}

/* What the layout adds to the header of a stream. */
u32 testdev_layout_config(struct testdev *tdev)
{
	switch (testdev_layout()) {
	case TESTDEV_LAYOUT_INFO:
		return testdev_params_config(tdev);
	case TESTDEV_LAYOUT_MODELS:
		return testdev_versions_config(tdev);
	default:
		return 0;
	}
}

/**
 * testdev_layout_load - check what a stream's header says of the layout
 * @tdev: the device that is to be loaded
 * @from: &struct testdev_stream_header.layout
 * @config: &struct testdev_stream_header.config
 *
 * Return: 0, or -EINVAL when the device is not configured as the source was.
 */
int testdev_layout_load(struct testdev *tdev, u32 from, u32 config)
{
	struct device *dev = tdev->vdev.dev;

	if (from != testdev_layout()) {
		dev_info_ratelimited(dev, "refused: state of layout %s for a device of layout %s\n",
				     from < ARRAY_SIZE(testdev_layout_names) ?
				     testdev_layout_names[from] : "?",
				     testdev_layout_names[testdev_layout()]);
		return -EINVAL;
	}
	if (config == testdev_layout_config(tdev))
		return 0;
	if (testdev_layout() == TESTDEV_LAYOUT_INFO)
		testdev_params_explain(tdev, config);
	else if (testdev_layout() == TESTDEV_LAYOUT_MODELS)
		testdev_versions_explain(tdev, config);
	else
		dev_info_ratelimited(dev, "refused: state with settings %#x\n", config);
	return -EINVAL;
}

/*
 * An attribute of a type's directory.  The structure is private to the mdev
 * core (drivers/vfio/mdev/mdev_sysfs.c), whose show function of the type's
 * kobject finds the attribute in one; it has been this since Linux 6.1.
 */
struct mdev_type_attribute {
	struct attribute attr;
	ssize_t (*show)(struct mdev_type *mtype, struct mdev_type_attribute *attr, char *buf);
	ssize_t (*store)(struct mdev_type *mtype, struct mdev_type_attribute *attr,
			 const char *buf, size_t count);
};

static ssize_t testdev_show_info(struct mdev_type *mtype, struct mdev_type_attribute *attr,
				 char *buf)
{
	return testdev_params_show_type(container_of(mtype, struct testdev_type, type), buf);
}

static ssize_t testdev_show_models(struct mdev_type *mtype, struct mdev_type_attribute *attr,
				   char *buf)
{
	return testdev_versions_show_type(container_of(mtype, struct testdev_type, type), buf);
}

static struct mdev_type_attribute testdev_info_attr = {
	.attr = { .name = "migration_info.json", .mode = 0444 },
	.show = testdev_show_info,
};

static struct mdev_type_attribute testdev_models_attr = {
	.attr = { .name = "migration_device_models", .mode = 0444 },
	.show = testdev_show_models,
};

/**
 * testdev_layout_add_type_files - give each type its file
 * @parent: registered with the mdev core
 *
 * They come after the parent's own change event, MDEV_STATE=registered, so
 * that another one tells of them.  The core removes them with the types.
 *
 * Return: 0, or what sysfs_create_file() returned.
 */
int __init testdev_layout_add_type_files(struct testdev_parent *parent)
{
	struct mdev_type_attribute *attr = testdev_layout() == TESTDEV_LAYOUT_INFO ?
					   &testdev_info_attr : &testdev_models_attr;
	unsigned int i;
	int ret;

	if (testdev_layout() == TESTDEV_LAYOUT_NONE)
		return 0;
	for (i = 0; i < parent->mdev.nr_types; i++) {
		ret = sysfs_create_file(&parent->mdev.types[i]->kobj, &attr->attr);
		if (ret)
			return ret;
	}
	return kobject_uevent(&parent->dev->kobj, KOBJ_CHANGE);
}
