// SPDX-License-Identifier: GPL-2.0-only
/*
 * What saving and loading sessions have in common: the life of a data fd.
 *
 * The file and the device hold each other: the session has a reference on the
 * vfio_device, so that its memory outlives the user's last data fd whatever is
 * closed first; the device has a reference on the file until it leaves the
 * session, so that a user who closes the fd early ends nothing by that.  Once
 * @ended is set, which close_device() ensures, a session touches nothing of
 * the device but its lock.
 */
#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "testdev.h"

static void testdev_session_free(struct testdev_session *session)
{
	kvfree(session->piece);
	kvfree(session->hashes);
	kvfree(session->pages);
	kfree(session);
}

DEFINE_FREE(testdev_session, struct testdev_session *, if (_T) testdev_session_free(_T))

/**
 * testdev_session_new - open a data fd and make it the device's session
 * @tdev: the device, which has no session
 * @name: of the anonymous inode
 * @fops: read and poll, or write
 * @flags: O_RDONLY or O_WRONLY
 *
 * Return: the session, with two references on its file: the device's, and one
 * for the caller to return to the vfio core; an ERR_PTR() otherwise.
 */
struct testdev_session *testdev_session_new(struct testdev *tdev, const char *name,
					    const struct file_operations *fops, int flags)
{
	struct testdev_session *session __free(testdev_session) =
		kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	struct file *filp;

	lockdep_assert_held(&tdev->lock);
	if (!session)
		return ERR_PTR(-ENOMEM);

	session->tdev = tdev;
	session->npages = tdev->npages;
	init_waitqueue_head(&session->wait);
	session->pages = kvcalloc(BITS_TO_LONGS(tdev->npages), sizeof(*session->pages),
				  GFP_KERNEL_ACCOUNT);
	session->hashes = kvcalloc(tdev->npages, sizeof(*session->hashes), GFP_KERNEL_ACCOUNT);
	session->piece = kvmalloc(TESTDEV_PIECE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!session->pages || !session->hashes || !session->piece)
		return ERR_PTR(-ENOMEM);

	filp = anon_inode_getfile(name, fops, session, flags);
	if (IS_ERR(filp))
		return ERR_CAST(filp);

	stream_open(filp->f_inode, filp);
	session->filp = get_file(filp);
	get_device(&tdev->vdev.device);
	tdev->session = session;
	return no_free_ptr(session);
}

/**
 * testdev_session_end - leave the session: its fd is dead from here on
 * @tdev: the device, with or without a session
 *
 * The last reference on a file is never released in here: fput() defers that,
 * so testdev_session_release() runs without the lock.
 */
void testdev_session_end(struct testdev *tdev)
{
	struct testdev_session *session = tdev->session;

	lockdep_assert_held(&tdev->lock);
	if (!session)
		return;

	tdev->session = NULL;
	session->ended = true;
	wake_up_all(&session->wait);
	fput(session->filp);
}

int testdev_session_release(struct inode *inode, struct file *filp)
{
	struct testdev_session *session = filp->private_data;
	struct testdev *tdev = session->tdev;

	testdev_session_free(session);
	put_device(&tdev->vdev.device);
	return 0;
}

/* 0 when bytes may pass; what the fd fails with otherwise. */
int testdev_session_check(struct testdev_session *session)
{
	const struct testdev_fault *fault = &session->tdev->knobs.fault;

	lockdep_assert_held(&session->tdev->lock);
	if (session->ended)
		return -ENODEV;
	if (session->error)
		return session->error;

	if (session->moved < fault->bytes)
		return 0;
	/* It stays broken when the fault is taken back: bytes may be missing. */
	if (fault->kind == TESTDEV_FAULT_IO_AFTER || fault->kind == TESTDEV_FAULT_ERROR_AFTER)
		session->error = -EIO;
	if (fault->kind == TESTDEV_FAULT_ERROR_AFTER)
		testdev_migration_fail(session->tdev);
	if (fault->kind == TESTDEV_FAULT_RESET_AFTER) {
		testdev_reset(session->tdev);
		return -ENODEV;
	}
	return session->error;
}

/* Whether whoever moves bytes must hang now, without the lock and once in a session. */
bool testdev_session_hangs(struct testdev_session *session)
{
	const struct testdev_fault *fault = &session->tdev->knobs.fault;

	lockdep_assert_held(&session->tdev->lock);
	if (fault->kind != TESTDEV_FAULT_HANG_AFTER || session->hung ||
	    session->moved < fault->bytes)
		return false;
	session->hung = true;
	return true;
}

/* How many of @count bytes pass before the next decision. */
size_t testdev_session_limit(struct testdev_session *session, size_t count)
{
	const struct testdev_fault *fault = &session->tdev->knobs.fault;

	lockdep_assert_held(&session->tdev->lock);
	count = min(count, session->left);
	if (session->moved < fault->bytes)
		count = min_t(u64, count, fault->bytes - session->moved);
	return count;
}

/**
 * testdev_session_pause - take the time that a slow device would
 * @delay_us: microseconds for each 64 KiB
 * @moved: bytes that passed since the last pause
 *
 * Called without the lock, so a slow data fd delays nobody else.
 *
 * Return: whether a signal asks to return to user space.
 */
bool testdev_session_pause(u32 delay_us, size_t moved)
{
	u64 ns = div_u64((u64)delay_us * NSEC_PER_USEC * moved, SZ_64K);

	if (ns) {
		ktime_t timeout = ns_to_ktime(ns);

		set_current_state(TASK_INTERRUPTIBLE);
		schedule_hrtimeout(&timeout, HRTIMER_MODE_REL);
	}
	return signal_pending(current);
}
