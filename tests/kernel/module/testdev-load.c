// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading.  The header is checked the moment it is whole, before a byte of
 * state is taken; each record when its own header is whole; the state when
 * RESUMING is left.  Whatever is refused stays refused: only a reset leads out
 * of a load that failed.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "testdev.h"

static void testdev_load_expect(struct testdev_session *session, void *buf, size_t count)
{
	session->buf = buf;
	session->left = count;
}

static void testdev_load_expect_record(struct testdev_session *session)
{
	session->in_data = false;
	testdev_load_expect(session, &session->record, sizeof(session->record));
}

static int testdev_load_check_header(struct testdev_session *session)
{
	const struct testdev_stream_header *header = &session->header;
	struct device *dev = session->tdev->vdev.dev;
	struct testdev_stream_header own;
	int ret;

	testdev_state_fill_header(session->tdev, &own);
	if (header->magic != own.magic || header->version != own.version) {
		dev_info_ratelimited(dev, "refused: not a version %u stream of this driver\n",
				     TESTDEV_STREAM_VERSION);
		return -EINVAL;
	}
	if (header->banks != own.banks) {
		dev_info_ratelimited(dev, "refused: state of %u banks for a device of %u\n",
				     le32_to_cpu(header->banks), le32_to_cpu(own.banks));
		return -EINVAL;
	}
	if (header->state_size != own.state_size) {
		dev_info_ratelimited(dev, "refused: state of %llu bytes for a device of %llu\n",
				     le64_to_cpu(header->state_size), le64_to_cpu(own.state_size));
		return -EINVAL;
	}
	ret = testdev_layout_load(session->tdev, le32_to_cpu(header->layout),
				  le32_to_cpu(header->config));
	if (ret)
		return ret;
	session->got_header = true;
	testdev_load_expect_record(session);
	return 0;
}

static int testdev_load_check_pages(struct testdev_session *session)
{
	u64 first = le64_to_cpu(session->record.arg);
	u32 length = le32_to_cpu(session->record.length);
	u32 count = length >> TESTDEV_PAGE_SHIFT;

	if (!length || length > TESTDEV_PIECE_SIZE || !IS_ALIGNED(length, TESTDEV_PAGE_SIZE) ||
	    first >= session->npages || count > session->npages - first)
		return -EINVAL;

	session->in_data = true;
	testdev_load_expect(session, session->piece, length);
	return 0;
}

static int testdev_load_check_record(struct testdev_session *session)
{
	switch (le32_to_cpu(session->record.kind)) {
	case TESTDEV_RECORD_PAGES:
		return testdev_load_check_pages(session);
	case TESTDEV_RECORD_END:
		session->got_end = true;
		return session->record.length ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static void testdev_load_take_pages(struct testdev_session *session)
{
	u32 first = le64_to_cpu(session->record.arg);
	u32 count = le32_to_cpu(session->record.length) >> TESTDEV_PAGE_SHIFT;
	u32 i;

	for (i = 0; i < count; i++) {
		u8 *page = session->piece + (i << TESTDEV_PAGE_SHIFT);

		/* The last copy counts: one that is no page leaves none. */
		__assign_bit(first + i, session->pages,
			     testdev_state_write_page(session->tdev, first + i, page));
		session->hashes[first + i] = testdev_state_hash_page(session->tdev, first + i);
	}
	testdev_load_expect_record(session);
}

/* The piece that was expected is whole. */
static int testdev_load_piece_done(struct testdev_session *session)
{
	if (!session->got_header)
		return testdev_load_check_header(session);
	if (!session->in_data)
		return testdev_load_check_record(session);

	testdev_load_take_pages(session);
	return 0;
}

static ssize_t testdev_load_piece(struct testdev_session *session, const char __user *buf,
				  size_t count)
{
	int ret;

	lockdep_assert_held(&session->tdev->lock);
	ret = testdev_session_check(session);
	if (ret)
		return ret;

	/* Nothing is expected after the end. */
	if (session->got_end) {
		session->error = -EINVAL;
		return -EINVAL;
	}

	count = testdev_session_limit(session, count);
	if (copy_from_user(session->buf, buf, count))
		return -EFAULT;

	session->buf += count;
	session->left -= count;
	session->moved += count;
	if (!session->left)
		session->error = testdev_load_piece_done(session);
	return session->error ? session->error : count;
}

static ssize_t testdev_load_write(struct file *filp, const char __user *buf, size_t count,
				  loff_t *pos)
{
	struct testdev_session *session = filp->private_data;
	struct testdev *tdev = session->tdev;
	size_t done = 0, unpaid = 0;
	bool hangs = false;
	u32 delay_us = 0;
	ssize_t ret = 0;

	while (done < count) {
		scoped_guard(mutex, &tdev->lock) {
			ret = testdev_load_piece(session, buf + done, count - done);
			delay_us = tdev->knobs.write_delay_us;
			hangs = testdev_session_hangs(session);
		}
		if (ret < 0)
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

	/* A refusal is not hidden behind the bytes before it: they are worthless. */
	if (ret == -EINVAL)
		return ret;
	return done ? done : ret;
}

static const struct file_operations testdev_load_fops = {
	.owner = THIS_MODULE,
	.write = testdev_load_write,
	.release = testdev_session_release,
};

/**
 * testdev_load_begin - start a loading session
 * @tdev: a device that enters RESUMING
 *
 * Return: the session as testdev_session_new() returns it.
 */
struct testdev_session *testdev_load_begin(struct testdev *tdev)
{
	struct testdev_session *session;

	session = testdev_session_new(tdev, "[" TESTDEV_NAME " load]", &testdev_load_fops,
				      O_WRONLY);
	if (!IS_ERR(session))
		testdev_load_expect(session, &session->header, sizeof(session->header));
	return session;
}

static int testdev_load_check_state(struct testdev_session *session)
{
	struct testdev *tdev = session->tdev;
	size_t banks = tdev->type->banks * TESTDEV_BANK_SIZE;
	u64 digest;

	if (tdev->knobs.fault.kind == TESTDEV_FAULT_LOAD_FINAL)
		return -EINVAL;
	if (session->error || !session->got_end ||
	    !bitmap_full(session->pages, session->npages) ||
	    memchr_inv(tdev->bank + banks, 0, TESTDEV_PAGE_SIZE - banks))
		return -EINVAL;

	digest = testdev_state_digest(&session->header, session->hashes, session->npages);
	return digest == le64_to_cpu(session->record.arg) ? 0 : -EINVAL;
}

/**
 * testdev_load_finish - check the state that was loaded
 * @tdev: a device that leaves RESUMING
 *
 * Return: 0, or -EINVAL when the state is incomplete or its checksum is not
 * what the end record says; the session is broken then.
 */
int testdev_load_finish(struct testdev *tdev)
{
	struct testdev_session *session = tdev->session;

	lockdep_assert_held(&tdev->lock);
	session->error = testdev_load_check_state(session);
	if (!session->error)
		tdev->loaded++;
	return session->error;
}
