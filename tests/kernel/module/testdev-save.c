// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving.  The first pass sends the header and every page once, in order;
 * these are the initial bytes.  A page that changes after it was sent is dirty
 * and is sent again, in PRE_COPY as long as the user likes, in STOP_COPY until
 * none is left and the end record closes the stream.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/math64.h>
#include <linux/uaccess.h>

#include "testdev.h"

/* A slow rate is looked at once a second, so that a faster one set since counts. */
#define TESTDEV_TICK_MAX_NS	NSEC_PER_SEC

/* A page changed: nothing to note unless it was sent before. */
void testdev_save_mark(struct testdev_session *session, u32 page)
{
	lockdep_assert_held(&session->tdev->lock);
	if (page < session->next && !__test_and_set_bit(page, session->pages))
		session->changed++;
}

void testdev_save_wake(struct testdev_session *session)
{
	wake_up_interruptible_poll(&session->wait, EPOLLIN | EPOLLRDNORM);
}

static u64 testdev_save_in_flight(struct testdev_session *session)
{
	return session->left + session->data_left;
}

/*
 * What was sent becomes initial again, whole, as when a device is set up anew
 * while it runs.  A user who has not asked to be told of that never meets it.
 */
static void testdev_save_reinit(struct testdev_session *session)
{
	const struct testdev_reinit *reinit = &session->tdev->knobs.reinit;

	lockdep_assert_held(&session->tdev->lock);
	if (!session->tdev->wants_reinit || session->reinit_done ||
	    reinit->kind == TESTDEV_REINIT_NONE)
		return;
	if (reinit->kind == TESTDEV_REINIT_AFTER ? session->moved < reinit->bytes :
						   session->tdev->mig_state != reinit->state)
		return;

	session->reinit_done = true;
	session->reinit_untold = true;
	session->next = 0;
	session->first_pass = true;
	bitmap_zero(session->pages, session->npages);
	session->changed = 0;
}

static u64 testdev_save_initial_bytes(struct testdev_session *session)
{
	u64 pages = (u64)(session->npages - session->next) << TESTDEV_PAGE_SHIFT;
	u64 records = DIV_ROUND_UP_ULL(pages, TESTDEV_PIECE_SIZE);

	return pages + records * sizeof(session->record) +
	       (session->first_pass ? testdev_save_in_flight(session) : 0);
}

/* The most that the dirty pages can take: neighbours will share a record. */
static u64 testdev_save_dirty_bytes(struct testdev_session *session)
{
	return session->changed * (u64)(TESTDEV_PAGE_SIZE + sizeof(session->record)) +
	       (session->first_pass ? 0 : testdev_save_in_flight(session));
}

/* What is left to read if the device stopped now. */
u64 testdev_save_remaining(struct testdev_session *session)
{
	return testdev_save_initial_bytes(session) + testdev_save_dirty_bytes(session) +
	       (session->end_sent ? 0 : sizeof(session->record));
}

static bool testdev_save_pending(struct testdev_session *session)
{
	return testdev_save_in_flight(session) || session->next < session->npages ||
	       session->changed;
}

/* The next run of pages to send, at most one record's worth. */
static u32 testdev_save_next_pages(struct testdev_session *session, u32 *first)
{
	const u32 max = TESTDEV_PIECE_SIZE >> TESTDEV_PAGE_SHIFT;
	u32 end;

	session->first_pass = session->next < session->npages;
	if (session->first_pass) {
		*first = session->next;
		session->next = min(session->next + max, session->npages);
		return session->next - *first;
	}
	if (!session->changed)
		return 0;

	*first = find_next_bit(session->pages, session->npages, session->cursor);
	if (*first >= session->npages)
		*first = find_first_bit(session->pages, session->npages);
	end = find_next_zero_bit(session->pages, min(*first + max, session->npages), *first);
	bitmap_clear(session->pages, *first, end - *first);
	session->changed -= end - *first;
	session->cursor = end;
	return end - *first;
}

static void testdev_save_start_record(struct testdev_session *session,
				      enum testdev_record_kind kind, u32 length, u64 arg)
{
	session->record = (struct testdev_stream_record) {
		.kind = cpu_to_le32(kind),
		.length = cpu_to_le32(length),
		.arg = cpu_to_le64(arg),
	};
	session->buf = (u8 *)&session->record;
	session->left = sizeof(session->record);
	session->data_left = length;
}

/*
 * Choose what is handed out next.  A page counts as sent, and is hashed, from
 * here on: if it changes before its last byte has left, it is dirty and goes
 * out again, so the hash that stays is that of the last copy.
 */
static bool testdev_save_next_piece(struct testdev_session *session)
{
	struct testdev *tdev = session->tdev;
	u32 first, count, i;

	if (session->data_left) {
		session->buf = session->piece;
		session->left = session->data_left;
		session->data_left = 0;
		return true;
	}

	count = testdev_save_next_pages(session, &first);
	if (count) {
		for (i = 0; i < count; i++) {
			session->hashes[first + i] = testdev_state_hash_page(tdev, first + i);
			testdev_state_read_page(tdev, first + i,
						session->piece + (i << TESTDEV_PAGE_SHIFT));
		}
		testdev_save_start_record(session, TESTDEV_RECORD_PAGES,
					  count << TESTDEV_PAGE_SHIFT, first);
		return true;
	}

	if (tdev->mig_state != VFIO_DEVICE_STATE_STOP_COPY || session->end_sent)
		return false;

	session->end_sent = true;
	testdev_save_start_record(session, TESTDEV_RECORD_END, 0,
				  testdev_state_digest(&session->header, session->hashes,
						       session->npages));
	return true;
}

/* Hand out at most one piece; 0 and -ENOMSG are the two kinds of end. */
static ssize_t testdev_save_piece(struct testdev_session *session, char __user *buf, size_t count)
{
	struct testdev *tdev = session->tdev;
	int ret;

	lockdep_assert_held(&tdev->lock);
	ret = testdev_session_check(session);
	if (ret)
		return ret;

	testdev_state_advance(tdev);
	if (!session->left && !testdev_save_next_piece(session))
		return tdev->mig_state == VFIO_DEVICE_STATE_STOP_COPY ? 0 : -ENOMSG;

	count = testdev_session_limit(session, count);
	if (copy_to_user(buf, session->buf, count))
		return -EFAULT;

	session->buf += count;
	session->left -= count;
	session->moved += count;
	return count;
}

static ssize_t testdev_save_read(struct file *filp, char __user *buf, size_t count, loff_t *pos)
{
	struct testdev_session *session = filp->private_data;
	struct testdev *tdev = session->tdev;
	size_t done = 0, unpaid = 0;
	bool hangs = false;
	u32 delay_us = 0;
	ssize_t ret = 0;

	while (done < count) {
		scoped_guard(mutex, &tdev->lock) {
			ret = testdev_save_piece(session, buf + done, count - done);
			delay_us = tdev->knobs.read_delay_us;
			hangs = testdev_session_hangs(session);
		}
		if (ret <= 0)
			break;
		if (hangs)
			ssleep(testdev_hang_seconds);

		done += ret;
		unpaid += ret;
		if (unpaid >= SZ_64K) {
			if (testdev_session_pause(delay_us, unpaid))
				return done;
			unpaid = 0;
		}
	}
	testdev_session_pause(delay_us, unpaid);
	return done ? done : ret;
}

/*
 * Wake pollers when the next change is due.  Changes are otherwise made only
 * when somebody looks (testdev_state_advance()), and a poller just sleeps.
 */
static void testdev_save_schedule_tick(struct testdev *tdev)
{
	u64 ns = testdev_state_until_change(tdev);

	if (ns != U64_MAX)
		mod_delayed_work(system_wq, &tdev->tick,
				 1 + nsecs_to_jiffies(min(ns, TESTDEV_TICK_MAX_NS)));
}

void testdev_save_tick(struct work_struct *work)
{
	struct testdev *tdev = container_of(work, struct testdev, tick.work);
	struct testdev_session *session;

	guard(mutex)(&tdev->lock);
	session = tdev->session;
	if (!session || !testdev_migration_is_precopy(tdev->mig_state))
		return;

	testdev_state_advance(tdev);
	/* Who queues itself from here on takes the lock after us, and schedules this anew. */
	if (!testdev_save_pending(session) && waitqueue_active(&session->wait))
		testdev_save_schedule_tick(tdev);
}

static __poll_t testdev_save_poll(struct file *filp, poll_table *table)
{
	struct testdev_session *session = filp->private_data;
	struct testdev *tdev = session->tdev;
	int ret;

	poll_wait(filp, &session->wait, table);

	guard(mutex)(&tdev->lock);
	ret = testdev_session_check(session);
	if (ret)
		return EPOLLIN | EPOLLRDNORM | (session->ended ? EPOLLRDHUP : EPOLLERR);

	testdev_state_advance(tdev);
	if (testdev_migration_is_precopy(tdev->mig_state))
		testdev_save_reinit(session);
	if (tdev->mig_state == VFIO_DEVICE_STATE_STOP_COPY || testdev_save_pending(session))
		return EPOLLIN | EPOLLRDNORM;

	testdev_save_schedule_tick(tdev);
	return 0;
}

static int testdev_save_get_info(struct testdev_session *session, struct vfio_precopy_info *info)
{
	struct testdev *tdev = session->tdev;

	guard(mutex)(&tdev->lock);
	if (!testdev_migration_is_precopy(tdev->mig_state))
		return -EINVAL;
	if (session->ended)
		return -ENODEV;

	testdev_state_advance(tdev);
	testdev_save_reinit(session);
	info->flags = session->reinit_untold ? VFIO_PRECOPY_INFO_REINIT : 0;
	session->reinit_untold = false;
	info->initial_bytes = testdev_save_initial_bytes(session);
	info->dirty_bytes = testdev_save_dirty_bytes(session);
	return session->error;
}

static long testdev_save_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	const size_t minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct testdev_session *session = filp->private_data;
	struct vfio_precopy_info info;
	int ret;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	ret = testdev_save_get_info(session, &info);
	if (ret)
		return ret;
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static const struct file_operations testdev_save_fops = {
	.owner = THIS_MODULE,
	.read = testdev_save_read,
	.poll = testdev_save_poll,
	.unlocked_ioctl = testdev_save_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = testdev_session_release,
};

/**
 * testdev_save_begin - start a saving session
 * @tdev: a device that enters the saving group of states
 *
 * Return: the session as testdev_session_new() returns it.
 */
struct testdev_session *testdev_save_begin(struct testdev *tdev)
{
	struct testdev_session *session;

	session = testdev_session_new(tdev, "[" TESTDEV_NAME " save]", &testdev_save_fops,
				      O_RDONLY);
	if (IS_ERR(session))
		return session;

	testdev_state_fill_header(tdev, &session->header);
	session->buf = (u8 *)&session->header;
	session->left = sizeof(session->header);
	session->first_pass = true;
	return session;
}
