// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's memory: page 0 holds the banks that BAR0 shows, the pages after
 * it are the payload, which changes by itself while the device runs.  A page of
 * payload counts up from its first word, and that is all that is kept of it: a
 * state of gigabytes fits into the smallest guest.  Every function here is
 * called with the device's lock held.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/xxhash.h>

#include "testdev.h"

/* Bounds the products below; a device that nobody looks at for 13 days loses count. */
#define TESTDEV_CLOCK_MAX_NS	BIT_ULL(50)
#define TESTDEV_NS_PAGE		((u64)NSEC_PER_SEC << TESTDEV_PAGE_SHIFT)
#define TESTDEV_PAGE_WORDS	(TESTDEV_PAGE_SIZE / sizeof(u64))
/* From one word of a page to the next: odd, so that no byte stays what it was. */
#define TESTDEV_PAGE_STEP	0x9e3779b97f4a7c15ULL
#define TESTDEV_GFP		(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/* splitmix64: no statistical ambition, but one addition keeps the state moving. */
static u64 testdev_state_random(struct testdev *tdev)
{
	u64 value;

	tdev->random += TESTDEV_PAGE_STEP;
	value = tdev->random;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return value ^ (value >> 31);
}

static size_t testdev_state_bank_bytes(struct testdev *tdev)
{
	return tdev->type->banks * TESTDEV_BANK_SIZE;
}

/**
 * testdev_state_clear - make the memory what it is after an open or a reset
 * @tdev: an open device
 *
 * Banks of zeroes, a payload that depends on the uuid alone: two devices
 * differ, so a state that was never loaded can't pass for one that was.
 */
void testdev_state_clear(struct testdev *tdev)
{
	u32 page;

	lockdep_assert_held(&tdev->lock);
	tdev->random = tdev->seed;
	memset(tdev->bank, 0, TESTDEV_PAGE_SIZE);
	for (page = 1; page < tdev->npages; page++) {
		tdev->seeds[page] = testdev_state_random(tdev);
		if (page % SZ_64K == 0)
			cond_resched();
	}
	testdev_state_start_clock(tdev);
}

int testdev_state_alloc(struct testdev *tdev)
{
	u32 npages = 1 + (tdev->knobs.state_size >> TESTDEV_PAGE_SHIFT);
	/* A machine that is too small fails the open and kills nobody for it. */
	u64 *seeds __free(kvfree) = kvcalloc(npages, sizeof(*seeds), TESTDEV_GFP);

	lockdep_assert_held(&tdev->lock);
	if (!seeds)
		return -ENOMEM;
	tdev->bank = kzalloc(TESTDEV_PAGE_SIZE, TESTDEV_GFP);
	if (!tdev->bank)
		return -ENOMEM;

	tdev->seeds = no_free_ptr(seeds);
	tdev->npages = npages;
	testdev_state_clear(tdev);
	return 0;
}

void testdev_state_free(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	kvfree(tdev->seeds);
	kfree(tdev->bank);
	tdev->seeds = NULL;
	tdev->bank = NULL;
	tdev->npages = 0;
}

/* Nothing changed until now: after an open, a reset, a stop, another rate. */
void testdev_state_start_clock(struct testdev *tdev)
{
	lockdep_assert_held(&tdev->lock);
	tdev->clock = ktime_get_ns();
}

static void testdev_state_change_page(struct testdev *tdev)
{
	u64 random = testdev_state_random(tdev);
	u32 page = 1 + (u32)random % (tdev->npages - 1);

	/* The lowest bit makes the change one, whatever the generator gives. */
	tdev->seeds[page] ^= random | 1;
	if (tdev->session)
		testdev_save_mark(tdev->session, page);
}

/**
 * testdev_state_advance - make the changes that are due by now
 * @tdev: an open device
 *
 * Changes are made when somebody looks, at the rate that was set and for the
 * time that passed while running, so the amount is exact however rarely that
 * is.  More changes than there are pages are indistinguishable from that many.
 */
void testdev_state_advance(struct testdev *tdev)
{
	u64 rate = tdev->knobs.dirty_rate;
	u64 passed, due;
	u32 i;

	lockdep_assert_held(&tdev->lock);
	if (!tdev->bank || !rate || !testdev_migration_is_running(tdev->mig_state))
		return;

	passed = min(ktime_get_ns() - tdev->clock, TESTDEV_CLOCK_MAX_NS);
	due = mul_u64_u64_div_u64(rate, passed, TESTDEV_NS_PAGE);
	if (!due)
		return;

	/* Only whole pages' time is used up: slow rates must not starve. */
	tdev->clock += mul_u64_u64_div_u64(due, TESTDEV_NS_PAGE, rate);
	for (i = 0; i < min_t(u64, due, tdev->npages - 1); i++)
		testdev_state_change_page(tdev);
	if (tdev->session)
		testdev_save_wake(tdev->session);
}

/* Nanoseconds until the next change is due; U64_MAX when there will be none. */
u64 testdev_state_until_change(struct testdev *tdev)
{
	u64 rate = tdev->knobs.dirty_rate;
	u64 passed, needed;

	lockdep_assert_held(&tdev->lock);
	if (!tdev->bank || !rate || !testdev_migration_is_running(tdev->mig_state))
		return U64_MAX;

	passed = ktime_get_ns() - tdev->clock;
	needed = DIV64_U64_ROUND_UP(TESTDEV_NS_PAGE, rate);
	return needed > passed ? needed - passed : 0;
}

/*
 * While its state is streamed in or out, or after an error, the device takes
 * no writes: what the user writes then would tear the stream or be overwritten
 * by it (linux/vfio.h, PRE_COPY_P2P -> STOP_COPY).
 */
bool testdev_state_frozen(struct testdev *tdev)
{
	return tdev->mig_state == VFIO_DEVICE_STATE_STOP_COPY ||
	       tdev->mig_state == VFIO_DEVICE_STATE_RESUMING ||
	       tdev->mig_state == VFIO_DEVICE_STATE_ERROR;
}

/* BAR0 beyond the banks answers as an empty bus does. */
void testdev_state_read_bar(struct testdev *tdev, size_t pos, u8 *buf, size_t count)
{
	size_t banks = testdev_state_bank_bytes(tdev);
	size_t inside = pos < banks ? min(count, banks - pos) : 0;

	lockdep_assert_held(&tdev->lock);
	memcpy(buf, tdev->bank + pos, inside);
	memset(buf + inside, 0xff, count - inside);
}

void testdev_state_write_bar(struct testdev *tdev, size_t pos, const u8 *buf, size_t count)
{
	size_t banks = testdev_state_bank_bytes(tdev);
	size_t inside = pos < banks ? min(count, banks - pos) : 0;

	lockdep_assert_held(&tdev->lock);
	if (!inside || testdev_state_frozen(tdev))
		return;

	memcpy(tdev->bank + pos, buf, inside);
	if (tdev->session) {
		testdev_save_mark(tdev->session, 0);
		testdev_save_wake(tdev->session);
	}
}

void testdev_state_fill_header(struct testdev *tdev, struct testdev_stream_header *header)
{
	*header = (struct testdev_stream_header) {
		.magic = cpu_to_le64(TESTDEV_STREAM_MAGIC),
		.version = cpu_to_le32(TESTDEV_STREAM_VERSION),
		.layout = cpu_to_le32(testdev_layout()),
		.config = cpu_to_le32(testdev_layout_config(tdev)),
		.banks = cpu_to_le32(tdev->type->banks),
		.state_size = cpu_to_le64((u64)(tdev->npages - 1) << TESTDEV_PAGE_SHIFT),
	};
}

/* A page as it is in a stream. */
void testdev_state_read_page(struct testdev *tdev, u32 page, u8 *buf)
{
	__le64 *words = (__le64 *)buf;
	u64 value;
	unsigned int i;

	lockdep_assert_held(&tdev->lock);
	if (!page) {
		memcpy(buf, tdev->bank, TESTDEV_PAGE_SIZE);
		return;
	}
	value = tdev->seeds[page];
	for (i = 0; i < TESTDEV_PAGE_WORDS; i++, value += TESTDEV_PAGE_STEP)
		words[i] = cpu_to_le64(value);
}

/* Take a page from a stream; false, and nothing is taken, if no device can have sent it. */
bool testdev_state_write_page(struct testdev *tdev, u32 page, const u8 *buf)
{
	const __le64 *words = (const __le64 *)buf;
	u64 value = le64_to_cpu(words[0]);
	unsigned int i;

	lockdep_assert_held(&tdev->lock);
	if (!page) {
		memcpy(tdev->bank, buf, TESTDEV_PAGE_SIZE);
		return true;
	}
	for (i = 1; i < TESTDEV_PAGE_WORDS; i++)
		if (le64_to_cpu(words[i]) != value + i * TESTDEV_PAGE_STEP)
			return false;
	tdev->seeds[page] = value;
	return true;
}

/* The first word stands for its page: the others follow, or the page was not taken. */
u64 testdev_state_hash_page(struct testdev *tdev, u32 page)
{
	__le64 seed;

	if (!page)
		return xxh64(tdev->bank, TESTDEV_PAGE_SIZE, page);
	seed = cpu_to_le64(tdev->seeds[page]);
	return xxh64(&seed, sizeof(seed), page);
}

/**
 * testdev_state_digest - checksum of a state from the hashes of its pages
 * @header: of the stream that carries it
 * @hashes: one for each page
 * @npages: how many
 *
 * Built from hashes of pages, so neither side has to walk the whole state
 * while the device stands still.
 *
 * Return: the checksum.
 */
u64 testdev_state_digest(const struct testdev_stream_header *header, const u64 *hashes, u32 npages)
{
	struct xxh64_state xxh;
	u32 page;

	xxh64_reset(&xxh, 0);
	xxh64_update(&xxh, header, sizeof(*header));
	for (page = 0; page < npages; page++) {
		__le64 hash = cpu_to_le64(hashes[page]);

		xxh64_update(&xxh, &hash, sizeof(hash));
	}
	return xxh64_digest(&xxh);
}

/* The digest of the memory as it is now: what a stream of it would end with. */
int testdev_state_checksum(struct testdev *tdev, u64 *checksum)
{
	u64 *hashes __free(kvfree) = kvcalloc(tdev->npages, sizeof(*hashes), GFP_KERNEL);
	struct testdev_stream_header header;
	u32 page;

	lockdep_assert_held(&tdev->lock);
	if (!hashes)
		return -ENOMEM;

	for (page = 0; page < tdev->npages; page++) {
		hashes[page] = testdev_state_hash_page(tdev, page);
		if (page % SZ_64K == 0)
			cond_resched();
	}
	testdev_state_fill_header(tdev, &header);
	*checksum = testdev_state_digest(&header, hashes, tdev->npages);
	return 0;
}

/* Bytes of a stream that sends every page once. */
u64 testdev_state_stream_size(u32 npages)
{
	u64 payload = (u64)npages << TESTDEV_PAGE_SHIFT;
	u64 records = DIV_ROUND_UP_ULL(payload, TESTDEV_PIECE_SIZE) + 1;

	return sizeof(struct testdev_stream_header) +
	       records * sizeof(struct testdev_stream_record) + payload;
}
