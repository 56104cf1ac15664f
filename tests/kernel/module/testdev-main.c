// SPDX-License-Identifier: GPL-2.0-only
/*
 * vferry_testdev: module, parent, mdev types, and the vfio device as its user
 * sees it: a PCI function with one memory BAR and no interrupt.
 */
#include <linux/device.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xxhash.h>

#include "testdev.h"

/* Nobody has this vendor id; it reads as "test". */
#define TESTDEV_PCI_VENDOR	0x7e57
#define TESTDEV_PCI_DEVICE	0x0001

/* A region's offset on the device fd, as vfio-pci lays them out. */
#define TESTDEV_REGION_SHIFT	40

#define TESTDEV_DEVICES_LIMIT	64

static unsigned int max_devices = 8;
module_param(max_devices, uint, 0444);
MODULE_PARM_DESC(max_devices, "devices that can exist at a time, of all types together (default 8)");

unsigned int testdev_hang_seconds = 30;
module_param_named(hang_seconds, testdev_hang_seconds, uint, 0644);
MODULE_PARM_DESC(hang_seconds, "how long the faults that hang do so (default 30)");

static struct testdev_type testdev_types[] = {
	{
		.type.sysfs_name = "1",
		.type.pretty_name = "Test device, one bank",
		.banks = 1,
		.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				   VFIO_MIGRATION_PRE_COPY,
		.filters = true,
		.versions = BIT(0) | BIT(1),
	},
	{
		.type.sysfs_name = "2",
		.type.pretty_name = "Test device, two banks",
		.banks = 2,
		.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				   VFIO_MIGRATION_PRE_COPY,
		.filters = true,
		.versions = BIT(2) | BIT(3),
	},
	{
		.type.sysfs_name = "stopcopy",
		.type.pretty_name = "Test device, one bank, no pre-copy",
		.banks = 1,
		.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P,
		.versions = BIT(0) | BIT(4),
	},
};

static struct mdev_type *testdev_mdev_types[] = {
	&testdev_types[0].type,
	&testdev_types[1].type,
	&testdev_types[2].type,
};

static_assert(ARRAY_SIZE(testdev_mdev_types) == ARRAY_SIZE(testdev_types));

static struct testdev_parent testdev_parent = {
	.lock = __MUTEX_INITIALIZER(testdev_parent.lock),
	.defaults.state_size = SZ_1M,
};

u64 testdev_default_state_size(void)
{
	guard(mutex)(&testdev_parent.lock);
	return testdev_parent.defaults.state_size;
}

/* Bits of the configuration space that the user may change. */
static const u8 testdev_config_writable[TESTDEV_CONFIG_SIZE] = {
	[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
	[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8,
	[PCI_CACHE_LINE_SIZE] = 0xff,
	[PCI_LATENCY_TIMER] = 0xff,
	/* An address on a 4 KiB boundary: writing ones and reading sizes the BAR. */
	[PCI_BASE_ADDRESS_0 + 1] = 0xf0,
	[PCI_BASE_ADDRESS_0 + 2] = 0xff,
	[PCI_BASE_ADDRESS_0 + 3] = 0xff,
	[PCI_INTERRUPT_LINE] = 0xff,
};

static_assert(TESTDEV_BAR_SIZE == 0x1000);

static void testdev_put_le16(struct testdev *tdev, unsigned int pos, u16 value)
{
	tdev->config[pos] = value & 0xff;
	tdev->config[pos + 1] = value >> 8;
}

static void testdev_reset_config(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	memset(tdev->config, 0, sizeof(tdev->config));
	testdev_put_le16(tdev, PCI_VENDOR_ID, TESTDEV_PCI_VENDOR);
	testdev_put_le16(tdev, PCI_DEVICE_ID, TESTDEV_PCI_DEVICE);
	tdev->config[PCI_REVISION_ID] = 1;
	/* Class 0xff: fits no defined class. */
	tdev->config[PCI_CLASS_DEVICE + 1] = 0xff;
	testdev_put_le16(tdev, PCI_SUBSYSTEM_VENDOR_ID, TESTDEV_PCI_VENDOR);
	testdev_put_le16(tdev, PCI_SUBSYSTEM_ID, tdev->type->banks);
}

static void testdev_write_config(struct testdev *tdev, size_t pos, const u8 *buf, size_t count)
{
	size_t i;

	lockdep_assert_held(&tdev->lock);
	for (i = 0; i < count; i++) {
		u8 mask = testdev_config_writable[pos + i];

		tdev->config[pos + i] = (tdev->config[pos + i] & ~mask) | (buf[i] & mask);
	}
}

static size_t testdev_region_size(unsigned int index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return TESTDEV_BAR_SIZE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return TESTDEV_CONFIG_SIZE;
	default:
		return 0;
	}
}

/* Split a position on the device fd; how many of @count bytes are in its region. */
static ssize_t testdev_locate(loff_t ppos, size_t count, unsigned int *index, size_t *pos)
{
	u64 offset = ppos & (BIT_ULL(TESTDEV_REGION_SHIFT) - 1);
	u64 number = (u64)ppos >> TESTDEV_REGION_SHIFT;
	size_t size;

	if (ppos < 0 || number >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;

	size = testdev_region_size(number);
	if (offset >= size)
		return -EINVAL;

	*index = number;
	*pos = offset;
	return min_t(u64, count, size - offset);
}

static ssize_t testdev_read(struct vfio_device *vdev, char __user *buf, size_t count, loff_t *ppos)
{
	struct testdev *tdev = testdev_from_vdev(vdev);
	unsigned int index;
	ssize_t size;
	size_t pos;

	size = testdev_locate(*ppos, count, &index, &pos);
	if (size <= 0)
		return size;

	u8 *copy __free(kfree) = kmalloc(size, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;

	scoped_guard(mutex, &tdev->lock) {
		if (index == VFIO_PCI_CONFIG_REGION_INDEX)
			memcpy(copy, tdev->config + pos, size);
		else
			testdev_state_read_bar(tdev, pos, copy, size);
	}
	if (copy_to_user(buf, copy, size))
		return -EFAULT;

	*ppos += size;
	return size;
}

static ssize_t testdev_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			     loff_t *ppos)
{
	struct testdev *tdev = testdev_from_vdev(vdev);
	unsigned int index;
	ssize_t size;
	size_t pos;

	size = testdev_locate(*ppos, count, &index, &pos);
	if (size <= 0)
		return size;

	u8 *copy __free(kfree) = memdup_user(buf, size);
	if (IS_ERR(copy))
		return PTR_ERR(copy);

	scoped_guard(mutex, &tdev->lock) {
		if (index == VFIO_PCI_CONFIG_REGION_INDEX)
			testdev_write_config(tdev, pos, copy, size);
		else
			testdev_state_write_bar(tdev, pos, copy, size);
	}
	*ppos += size;
	return size;
}

static long testdev_get_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long testdev_get_region_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;

	info.size = testdev_region_size(info.index);
	info.offset = (u64)info.index << TESTDEV_REGION_SHIFT;
	info.flags = info.size ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	info.cap_offset = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

/* There are no interrupts; the indexes exist, as they do on every PCI device. */
static long testdev_get_irq_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;

	info.flags = 0;
	info.count = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

/**
 * testdev_reset - lose the state and run
 * @tdev: an open device: its user, its driver or an administrator asks for it
 */
void testdev_reset(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	tdev->reset_due = false;
	testdev_history_add(tdev, "reset");
	testdev_migration_reset(tdev);
	testdev_state_clear(tdev);
	testdev_reset_config(tdev);
}

static long testdev_reset_by_user(struct testdev *tdev)
{
	guard(mutex)(&tdev->lock);
	testdev_reset(tdev);
	return 0;
}

static long testdev_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return testdev_get_info((void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return testdev_get_region_info((void __user *)arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return testdev_get_irq_info((void __user *)arg);
	case VFIO_DEVICE_SET_IRQS:
		return -EINVAL;
	case VFIO_DEVICE_RESET:
		return testdev_reset_by_user(testdev_from_vdev(vdev));
	default:
		return -ENOTTY;
	}
}

/* VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, which has no data and lasts until the last close. */
static int testdev_feature(struct vfio_device *vdev, u32 flags, void __user *arg, size_t argsz)
{
	struct testdev *tdev = testdev_from_vdev(vdev);
	int ret;

	if ((flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 ||
	    !(tdev->type->migration_flags & VFIO_MIGRATION_PRE_COPY))
		return -ENOTTY;
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);
	if (ret != 1)
		return ret;

	guard(mutex)(&tdev->lock);
	tdev->wants_reinit = true;
	return 0;
}

static int testdev_open(struct vfio_device *vdev)
{
	struct testdev *tdev = testdev_from_vdev(vdev);
	int ret;

	guard(mutex)(&tdev->lock);
	ret = testdev_state_alloc(tdev);
	if (ret)
		return ret;

	testdev_migration_reset(tdev);
	testdev_reset_config(tdev);
	tdev->wants_reinit = false;
	tdev->opens++;
	return 0;
}

static void testdev_close(struct vfio_device *vdev)
{
	struct testdev *tdev = testdev_from_vdev(vdev);

	scoped_guard(mutex, &tdev->lock) {
		testdev_session_end(tdev);
		testdev_state_free(tdev);
		testdev_history_add(tdev, "closed");
	}
	/* Without the lock, which the work takes; without a session it is not queued anew. */
	cancel_delayed_work_sync(&tdev->tick);
}

/*
 * Called every ten seconds while a remove waits for the device's user.  There
 * is no interrupt to ask the user with, so the remove just waits.
 */
static void testdev_request(struct vfio_device *vdev, unsigned int count)
{
	if (!count)
		dev_info(vdev->dev, "is open; its removal waits for the last close\n");
}

static int testdev_init_device(struct vfio_device *vdev)
{
	struct testdev *tdev = testdev_from_vdev(vdev);
	struct mdev_device *mdev = to_mdev_device(vdev->dev);

	tdev->type = container_of(mdev->type, struct testdev_type, type);
	tdev->seed = xxh64(&mdev->uuid, sizeof(mdev->uuid), 0);
	mutex_init(&tdev->lock);
	INIT_DELAYED_WORK(&tdev->tick, testdev_save_tick);
	tdev->mig_state = VFIO_DEVICE_STATE_RUNNING;
	scoped_guard(mutex, &testdev_parent.lock)
		tdev->knobs = testdev_parent.defaults;
	testdev_layout_init_device(tdev);

	vdev->migration_flags = tdev->type->migration_flags;
	vdev->mig_ops = &testdev_migration_ops;
	return 0;
}

static void testdev_release_device(struct vfio_device *vdev)
{
	mutex_destroy(&testdev_from_vdev(vdev)->lock);
}

static const struct vfio_device_ops testdev_vfio_ops = {
	.name = TESTDEV_NAME,
	.init = testdev_init_device,
	.release = testdev_release_device,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
	.open_device = testdev_open,
	.close_device = testdev_close,
	.read = testdev_read,
	.write = testdev_write,
	.ioctl = testdev_ioctl,
	.device_feature = testdev_feature,
	.request = testdev_request,
};

static int testdev_probe(struct mdev_device *mdev)
{
	struct testdev *tdev;
	int ret;

	tdev = vfio_alloc_device(testdev, vdev, &mdev->dev, &testdev_vfio_ops);
	if (IS_ERR(tdev))
		return PTR_ERR(tdev);

	dev_set_drvdata(&mdev->dev, tdev);
	ret = vfio_register_emulated_iommu_dev(&tdev->vdev);
	if (ret)
		vfio_put_device(&tdev->vdev);
	return ret;
}

static void testdev_remove(struct mdev_device *mdev)
{
	struct testdev *tdev = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&tdev->vdev);
	vfio_put_device(&tdev->vdev);
}

static ssize_t testdev_show_description(struct mdev_type *mtype, char *buf)
{
	struct testdev_type *type = container_of(mtype, struct testdev_type, type);

	return sysfs_emit(buf, "banks: %u\npre-copy: %s\n", type->banks,
			  type->migration_flags & VFIO_MIGRATION_PRE_COPY ? "yes" : "no");
}

static struct mdev_driver testdev_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.probe = testdev_probe,
	.remove = testdev_remove,
	.show_description = testdev_show_description,
	.driver = {
		.name = TESTDEV_NAME,
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
};

static const struct class testdev_class = {
	.name = TESTDEV_NAME,
};

static int __init testdev_module_init(void)
{
	struct device *dev;
	int ret;

	if (!max_devices || max_devices > TESTDEV_DEVICES_LIMIT) {
		pr_err(TESTDEV_NAME ": max_devices is %u; allowed are 1 to %u\n", max_devices,
		       TESTDEV_DEVICES_LIMIT);
		return -EINVAL;
	}
	testdev_driver.max_instances = max_devices;

	ret = testdev_layout_choose();
	if (ret)
		return ret;
	testdev_driver.driver.dev_groups = testdev_layout_device_groups();

	ret = class_register(&testdev_class);
	if (ret)
		return ret;

	dev = device_create_with_groups(&testdev_class, NULL, MKDEV(0, 0), &testdev_parent,
					testdev_parent_groups, TESTDEV_NAME);
	if (IS_ERR(dev)) {
		ret = PTR_ERR(dev);
		goto err_class;
	}
	testdev_parent.dev = dev;

	ret = testdev_history_begin(dev);
	if (ret)
		goto err_device;

	ret = mdev_register_driver(&testdev_driver);
	if (ret)
		goto err_history;

	ret = mdev_register_parent(&testdev_parent.mdev, dev, &testdev_driver,
				   testdev_mdev_types, ARRAY_SIZE(testdev_mdev_types));
	if (ret)
		goto err_driver;

	ret = testdev_layout_add_type_files(&testdev_parent);
	if (ret)
		goto err_parent;
	return 0;

err_parent:
	mdev_unregister_parent(&testdev_parent.mdev);
err_driver:
	mdev_unregister_driver(&testdev_driver);
err_history:
	testdev_history_end();
err_device:
	device_unregister(dev);
err_class:
	class_unregister(&testdev_class);
	return ret;
}

static void __exit testdev_module_exit(void)
{
	mdev_unregister_parent(&testdev_parent.mdev);
	mdev_unregister_driver(&testdev_driver);
	testdev_history_end();
	device_unregister(testdev_parent.dev);
	class_unregister(&testdev_class);
}

module_init(testdev_module_init);
module_exit(testdev_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mediated test device with a migratable state of any size");
