// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration state machine of linux/vfio.h.  The vfio core composes longer
 * ways (vfio_mig_get_next_state()); here each single arc is taken.  What an
 * arc does follows from the two states it joins:
 *
 *   into the saving group	a saving session begins
 *   within it			it goes on
 *   out of it			it ends
 *   into RESUMING		a loading session begins
 *   out of it			the state is checked and the session ends
 *   any other			the device runs or stops
 *
 * In-tree drivers defer a reset to the next unlock of their state mutex,
 * because a PCI core reset arrives with locks held that they also take inside
 * it.  Here VFIO_DEVICE_RESET and the attribute testdev/reset arrive with no
 * lock held, so they wait for the mutex like everything else.  A reset that the
 * device makes by itself (TESTDEV_FAULT_RESET) comes when theirs would: after
 * the last arc of a change of state, which succeeds all the same.
 */
#include <linux/delay.h>
#include <linux/fs.h>

#include "testdev.h"

static const char *const testdev_migration_state_names[] = {
	[VFIO_DEVICE_STATE_ERROR] = "error",
	[VFIO_DEVICE_STATE_STOP] = "stop",
	[VFIO_DEVICE_STATE_RUNNING] = "running",
	[VFIO_DEVICE_STATE_STOP_COPY] = "stop-copy",
	[VFIO_DEVICE_STATE_RESUMING] = "resuming",
	[VFIO_DEVICE_STATE_RUNNING_P2P] = "running-p2p",
	[VFIO_DEVICE_STATE_PRE_COPY] = "pre-copy",
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "pre-copy-p2p",
};

static_assert(ARRAY_SIZE(testdev_migration_state_names) == VFIO_DEVICE_STATE_NR);

const char *testdev_migration_state_name(enum vfio_device_mig_state state)
{
	return testdev_migration_state_names[state];
}

bool testdev_migration_is_precopy(enum vfio_device_mig_state state)
{
	return state == VFIO_DEVICE_STATE_PRE_COPY || state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

static bool testdev_migration_is_saving(enum vfio_device_mig_state state)
{
	return testdev_migration_is_precopy(state) || state == VFIO_DEVICE_STATE_STOP_COPY;
}

/* The P2P states only forbid DMA to peers: the state changes as in the others. */
bool testdev_migration_is_running(enum vfio_device_mig_state state)
{
	return state == VFIO_DEVICE_STATE_RUNNING || state == VFIO_DEVICE_STATE_RUNNING_P2P ||
	       testdev_migration_is_precopy(state);
}

/* Whether a fault of this kind strikes at a state. */
static bool testdev_migration_strikes(struct testdev *tdev, enum testdev_fault_kind kind,
				      enum vfio_device_mig_state state)
{
	const struct testdev_fault *fault = &tdev->knobs.fault;

	lockdep_assert_held(&tdev->lock);
	return fault->kind == kind && fault->state == state;
}

/**
 * testdev_migration_fail - enter ERROR, which only a reset leads out of
 * @tdev: an open device
 */
void testdev_migration_fail(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	testdev_session_end(tdev);
	tdev->mig_state = VFIO_DEVICE_STATE_ERROR;
	testdev_history_add(tdev, "error");
}

/* Take one arc; the file of the session that it begins, or NULL, or an ERR_PTR(). */
static struct file *testdev_migration_step(struct testdev *tdev, enum vfio_device_mig_state next)
{
	enum vfio_device_mig_state cur = tdev->mig_state;
	struct testdev_session *session = NULL;
	int ret;

	if (testdev_migration_strikes(tdev, TESTDEV_FAULT_ERROR, next))
		testdev_migration_fail(tdev);
	if (tdev->mig_state == VFIO_DEVICE_STATE_ERROR ||
	    testdev_migration_strikes(tdev, TESTDEV_FAULT_REFUSE, next))
		return ERR_PTR(-EIO);

	if (cur == VFIO_DEVICE_STATE_RESUMING) {
		ret = testdev_load_finish(tdev);
		if (ret)
			return ERR_PTR(ret);
		testdev_session_end(tdev);
	}
	if (testdev_migration_is_saving(cur) && !testdev_migration_is_saving(next))
		testdev_session_end(tdev);

	if (next == VFIO_DEVICE_STATE_RESUMING)
		session = testdev_load_begin(tdev);
	else if (testdev_migration_is_saving(next) && !testdev_migration_is_saving(cur))
		session = testdev_save_begin(tdev);
	if (IS_ERR(session))
		return ERR_CAST(session);

	tdev->mig_state = next;
	testdev_history_add(tdev, testdev_migration_state_name(next));
	if (testdev_migration_strikes(tdev, TESTDEV_FAULT_RESET, next))
		tdev->reset_due = true;
	if (testdev_migration_is_running(next) && !testdev_migration_is_running(cur))
		testdev_state_start_clock(tdev);

	/* In STOP_COPY the fd is always readable (linux/vfio.h): pollers must learn. */
	if (next == VFIO_DEVICE_STATE_STOP_COPY && tdev->session)
		testdev_save_wake(tdev->session);
	return session ? session->filp : NULL;
}

/*
 * What the state machine has no way to.  vfio_mig_get_next_state() is never asked
 * for such: there are kernels in which it does not come back, and the caller hangs
 * with this driver's lock held.
 */
static bool testdev_migration_is_blocked(enum vfio_device_mig_state cur,
					 enum vfio_device_mig_state want)
{
	return cur == VFIO_DEVICE_STATE_ERROR ||
	       (cur == VFIO_DEVICE_STATE_STOP_COPY && testdev_migration_is_precopy(want));
}

/* Firmware that does not answer: no signal ends the wait, nor does it keep others from looking. */
static void testdev_migration_hang(struct testdev *tdev, enum vfio_device_mig_state want)
{
	bool hangs;

	scoped_guard(mutex, &tdev->lock)
		hangs = testdev_migration_strikes(tdev, TESTDEV_FAULT_HANG, want);
	if (hangs)
		ssleep(testdev_hang_seconds);
}

static struct file *testdev_migration_walk(struct testdev *tdev, enum vfio_device_mig_state want)
{
	struct vfio_device *vdev = &tdev->vdev;
	struct file *filp = NULL;

	lockdep_assert_held(&tdev->lock);
	while (tdev->mig_state != want) {
		enum vfio_device_mig_state next;
		int ret;

		if (testdev_migration_is_blocked(tdev->mig_state, want))
			return ERR_PTR(-EINVAL);

		ret = vfio_mig_get_next_state(vdev, tdev->mig_state, want, &next);
		if (ret)
			return ERR_PTR(ret);

		filp = testdev_migration_step(tdev, next);
		if (IS_ERR(filp))
			return filp;
	}
	return filp;
}

static struct file *testdev_migration_set_state(struct vfio_device *vdev,
						enum vfio_device_mig_state want)
{
	struct testdev *tdev = testdev_from_vdev(vdev);
	struct file *filp;

	testdev_migration_hang(tdev, want);
	guard(mutex)(&tdev->lock);
	testdev_state_advance(tdev);
	filp = testdev_migration_walk(tdev, want);
	/* As mlx5vf_state_mutex_unlock() does it; the caller's answer is not touched. */
	if (tdev->reset_due)
		testdev_reset(tdev);
	return filp;
}

static int testdev_migration_get_state(struct vfio_device *vdev,
				       enum vfio_device_mig_state *state)
{
	struct testdev *tdev = testdev_from_vdev(vdev);

	guard(mutex)(&tdev->lock);
	*state = tdev->mig_state;
	return 0;
}

/*
 * In a saving session what it would still hand out if the device stopped now;
 * in every other state a stream from the beginning.
 */
static int testdev_migration_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	struct testdev *tdev = testdev_from_vdev(vdev);

	guard(mutex)(&tdev->lock);
	testdev_state_advance(tdev);
	if (testdev_migration_is_saving(tdev->mig_state))
		*length = testdev_save_remaining(tdev->session);
	else
		*length = testdev_state_stream_size(tdev->npages);
	return 0;
}

const struct vfio_migration_ops testdev_migration_ops = {
	.migration_set_state = testdev_migration_set_state,
	.migration_get_state = testdev_migration_get_state,
	.migration_get_data_size = testdev_migration_get_data_size,
};

/**
 * testdev_migration_reset - leave whatever was going on and run
 * @tdev: the device, at open or reset
 */
void testdev_migration_reset(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	testdev_session_end(tdev);
	tdev->mig_state = VFIO_DEVICE_STATE_RUNNING;
	testdev_history_add(tdev, "running");
}
