/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vferry_testdev: a mediated device that exists to be migrated in tests.
 *
 * One mutex for each device, &struct testdev.lock, guards everything that can
 * change: the memory, the knobs, the migration state and the session with its
 * stream.  It nests inside the locks that the vfio core holds around
 * open_device() and close_device(), and outside mmap_lock (the data fd's read
 * and write copy to and from the user while they hold it).  Two devices'
 * locks are never held together, and nothing sleeps on purpose while holding
 * one.
 */
#ifndef VFERRY_TESTDEV_H
#define VFERRY_TESTDEV_H

#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#define TESTDEV_NAME		"vferry_testdev"

/* What linux/vfio.h got after 6.12; the vfio core leaves the feature to the driver. */
#ifndef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2	12
#define VFIO_PRECOPY_INFO_REINIT		(1 << 0)
#endif

#define TESTDEV_PAGE_SHIFT	12
#define TESTDEV_PAGE_SIZE	SZ_4K
#define TESTDEV_BAR_SIZE	TESTDEV_PAGE_SIZE
#define TESTDEV_BANK_SIZE	SZ_1K
#define TESTDEV_CONFIG_SIZE	256

#define TESTDEV_STATE_SIZE_MIN	TESTDEV_PAGE_SIZE
#define TESTDEV_STATE_SIZE_MAX	SZ_8G
#define TESTDEV_DIRTY_RATE_MAX	SZ_8G
#define TESTDEV_DELAY_US_MAX	(10 * USEC_PER_SEC)

/* How much one hold of the lock copies, and the most that one record carries. */
#define TESTDEV_PIECE_SIZE	SZ_64K

/*
 * The stream, little-endian: one header, page records in any order, one end
 * record.  README.md says what a loader checks and when.
 */
#define TESTDEV_STREAM_MAGIC	0x7665647473657476ULL	/* "vtestdev" */
#define TESTDEV_STREAM_VERSION	2

/* How devices describe themselves in sysfs; testdev-layout.c says more. */
enum testdev_layout {
	TESTDEV_LAYOUT_NONE,
	TESTDEV_LAYOUT_INFO,	/* migration_info.json, migration/<param> */
	TESTDEV_LAYOUT_MODELS,	/* migration_device_models, migration/version */
};

/**
 * struct testdev_stream_header - the first bytes of a stream
 * @magic: TESTDEV_STREAM_MAGIC
 * @version: TESTDEV_STREAM_VERSION; another one is refused
 * @layout: enum testdev_layout of the device that was saved
 * @banks: banks of that device
 * @config: what is set in its layout's files; zero without a layout
 * @state_size: bytes of payload, without the bank page
 */
struct testdev_stream_header {
	__le64 magic;
	__le32 version;
	__le32 layout;
	__le32 banks;
	__le32 config;
	__le64 state_size;
};

static_assert(sizeof(struct testdev_stream_header) == 32);

enum testdev_record_kind {
	TESTDEV_RECORD_PAGES = 1,
	TESTDEV_RECORD_END = 2,
};

/**
 * struct testdev_stream_record - what precedes each run of pages, and the end
 * @kind: enum testdev_record_kind
 * @length: bytes that follow: whole pages, at most TESTDEV_PIECE_SIZE
 * @arg: PAGES: index of the first page, END: checksum of the saved state
 */
struct testdev_stream_record {
	__le32 kind;
	__le32 length;
	__le64 arg;
};

static_assert(sizeof(struct testdev_stream_record) == 16);

/**
 * struct testdev_type - an mdev type
 * @type: what the mdev core knows
 * @banks: banks that BAR0 has, 1 KiB each
 * @migration_flags: VFIO_MIGRATION_*
 * @filters: layout info: it has that parameter
 * @versions: layout models: bits of the versions that its devices can be of
 */
struct testdev_type {
	struct mdev_type type;
	unsigned int banks;
	unsigned int migration_flags;
	bool filters;
	unsigned int versions;
};

/**
 * struct testdev_params - layout info: what is not told by type or knobs
 * @rss: bool, off: 0
 * @sealed: the mode
 * @filters: off: 0
 */
struct testdev_params {
	bool rss;
	bool sealed;
	u16 filters;
};

/**
 * struct testdev_version - layout models: a version of a model
 * @model: the model's name
 * @name: its own, each once within a model
 * @state_size: of such a device
 */
struct testdev_version {
	const char *model;
	const char *name;
	u64 state_size;
};

extern unsigned int testdev_hang_seconds;

enum testdev_fault_kind {
	TESTDEV_FAULT_NONE,
	TESTDEV_FAULT_REFUSE,		/* entering @state fails with -EIO */
	TESTDEV_FAULT_ERROR,		/* so does it, and the device is in ERROR */
	TESTDEV_FAULT_HANG,		/* asking for @state takes so long */
	TESTDEV_FAULT_IO_AFTER,		/* the data fd fails with -EIO after @bytes */
	TESTDEV_FAULT_ERROR_AFTER,	/* so does it, and the device is in ERROR */
	TESTDEV_FAULT_HANG_AFTER,	/* the data fd hangs once after @bytes */
	TESTDEV_FAULT_LOAD_FINAL,	/* RESUMING -> STOP fails with -EINVAL */
	TESTDEV_FAULT_RESET,		/* entering @state ends with a reset */
	TESTDEV_FAULT_RESET_AFTER,	/* the device is reset after @bytes */
};

/**
 * struct testdev_fault - what goes wrong on demand
 * @kind: which fault
 * @state: where it strikes
 * @bytes: when it strikes instead, counted from the start of a session
 */
struct testdev_fault {
	enum testdev_fault_kind kind;
	enum vfio_device_mig_state state;
	u64 bytes;
};

enum testdev_reinit_kind {
	TESTDEV_REINIT_NONE,
	TESTDEV_REINIT_AFTER,		/* when @bytes of a saving session have passed */
	TESTDEV_REINIT_AT,		/* when the device is in @state */
};

/**
 * struct testdev_reinit - when initial bytes appear anew, once in a saving session
 * @kind: what decides
 * @state: PRE_COPY or PRE_COPY_P2P
 * @bytes: counted from the start of the session
 */
struct testdev_reinit {
	enum testdev_reinit_kind kind;
	enum vfio_device_mig_state state;
	u64 bytes;
};

/**
 * struct testdev_knobs - what a test may set, for a device or as its default
 * @state_size: payload in bytes, taken when the device is opened
 * @dirty_rate: bytes of payload that change in a second of running
 * @read_delay_us: sleep for each 64 KiB that a saving fd hands out
 * @write_delay_us: sleep for each 64 KiB that a loading fd takes
 * @reinit: when initial bytes appear anew
 * @fault: the fault in force
 */
struct testdev_knobs {
	u64 state_size;
	u64 dirty_rate;
	u32 read_delay_us;
	u32 write_delay_us;
	struct testdev_reinit reinit;
	struct testdev_fault fault;
};

struct testdev;

/**
 * struct testdev_session - one data fd, from its arc until the last close
 * @tdev: the device, kept by a reference on its vfio_device
 * @filp: the file; the device has a reference until the session ends
 * @wait: pollers of a saving session
 * @ended: the device left the session: everything fails with -ENODEV
 * @error: what broke the stream, returned from then on; 0 while it is good
 * @moved: bytes that passed
 * @header: sent or received
 * @record: sent or received last
 * @npages: pages of the device, the bank page first
 * @pages: saving: changed since they were sent; loading: received
 * @hashes: of each page as it was sent or received last
 * @piece: the pages of one record
 * @buf: where the piece now moving continues
 * @left: bytes of that piece
 * @next: saving: first page that was never sent
 * @changed: saving: bits set in @pages
 * @cursor: saving: where the search for changed pages goes on
 * @first_pass: saving: the piece now moving belongs to the initial bytes
 * @data_left: saving: bytes of @piece that follow the record header now moving
 * @end_sent: saving: the end record was handed out
 * @reinit_done: saving: &struct testdev_knobs.reinit has struck
 * @reinit_untold: saving: and the user has not been told
 * @got_header: loading: @header was received and accepted
 * @in_data: loading: @buf is in @piece
 * @got_end: loading: the end record was received
 * @hung: TESTDEV_FAULT_HANG_AFTER has struck
 *
 * All but @tdev, @filp and @wait are guarded by the device's lock.
 */
struct testdev_session {
	struct testdev *tdev;
	struct file *filp;
	wait_queue_head_t wait;
	bool ended;
	int error;
	u64 moved;
	struct testdev_stream_header header;
	struct testdev_stream_record record;
	u32 npages;
	unsigned long *pages;
	u64 *hashes;
	u8 *piece;
	u8 *buf;
	size_t left;
	u32 next;
	u32 changed;
	u32 cursor;
	bool first_pass;
	size_t data_left;
	bool end_sent;
	bool reinit_done;
	bool reinit_untold;
	bool got_header;
	bool in_data;
	bool got_end;
	bool hung;
};

/**
 * struct testdev - one device
 * @vdev: for the vfio core
 * @type: its mdev type
 * @seed: of the first payload, from the uuid
 * @lock: guards everything below
 * @knobs: as set through sysfs
 * @params: layout info: the rest of the parameters
 * @version: layout models: what the device is
 * @opens: how often the device was opened
 * @loaded: how often a state was loaded whole
 * @bank: page 0 of the state; NULL while the device is closed
 * @seeds: first word of each page of payload, from which its others follow
 * @npages: pages of the state
 * @random: generator of the payload and of what changes in it
 * @clock: CLOCK_MONOTONIC nanoseconds up to which changes were made
 * @config: PCI configuration space; not migrated, as with vfio-pci
 * @mig_state: migration state, meaningful while the device is open
 * @wants_reinit: whoever has the device open knows VFIO_PRECOPY_INFO_REINIT
 * @reset_due: TESTDEV_FAULT_RESET has struck: reset when the change of state is over
 * @session: the data session, NULL outside saving and loading states
 * @tick: makes changes on time for those who poll a saving session
 */
struct testdev {
	struct vfio_device vdev;
	const struct testdev_type *type;
	u64 seed;

	struct mutex lock;
	struct testdev_knobs knobs;
	struct testdev_params params;
	const struct testdev_version *version;
	u64 opens;
	u64 loaded;
	u8 *bank;
	u64 *seeds;
	u32 npages;
	u64 random;
	u64 clock;
	u8 config[TESTDEV_CONFIG_SIZE];
	enum vfio_device_mig_state mig_state;
	bool wants_reinit;
	bool reset_due;
	struct testdev_session *session;
	struct delayed_work tick;
};

/**
 * struct testdev_parent - what the devices are created on
 * @mdev: for the mdev core
 * @dev: /sys/devices/virtual/vferry_testdev/vferry_testdev
 * @lock: guards @defaults; taken inside no other lock and outside none
 * @defaults: knobs that a new device starts with
 */
struct testdev_parent {
	struct mdev_parent mdev;
	struct device *dev;
	struct mutex lock;
	struct testdev_knobs defaults;
};

static inline struct testdev *testdev_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct testdev, vdev);
}

/* testdev-state.c */
int testdev_state_alloc(struct testdev *tdev);
void testdev_state_free(struct testdev *tdev);
void testdev_state_clear(struct testdev *tdev);
void testdev_state_start_clock(struct testdev *tdev);
void testdev_state_advance(struct testdev *tdev);
u64 testdev_state_until_change(struct testdev *tdev);
bool testdev_state_frozen(struct testdev *tdev);
void testdev_state_read_bar(struct testdev *tdev, size_t pos, u8 *buf, size_t count);
void testdev_state_write_bar(struct testdev *tdev, size_t pos, const u8 *buf, size_t count);
void testdev_state_fill_header(struct testdev *tdev, struct testdev_stream_header *header);
void testdev_state_read_page(struct testdev *tdev, u32 page, u8 *buf);
bool testdev_state_write_page(struct testdev *tdev, u32 page, const u8 *buf);
u64 testdev_state_hash_page(struct testdev *tdev, u32 page);
u64 testdev_state_digest(const struct testdev_stream_header *header, const u64 *hashes, u32 npages);
int testdev_state_checksum(struct testdev *tdev, u64 *checksum);
u64 testdev_state_stream_size(u32 npages);

/* testdev-migration.c */
extern const struct vfio_migration_ops testdev_migration_ops;
const char *testdev_migration_state_name(enum vfio_device_mig_state state);
bool testdev_migration_is_running(enum vfio_device_mig_state state);
bool testdev_migration_is_precopy(enum vfio_device_mig_state state);
void testdev_migration_reset(struct testdev *tdev);
void testdev_migration_fail(struct testdev *tdev);

/* testdev-session.c */
struct testdev_session *testdev_session_new(struct testdev *tdev, const char *name,
					    const struct file_operations *fops, int flags);
void testdev_session_end(struct testdev *tdev);
int testdev_session_release(struct inode *inode, struct file *filp);
int testdev_session_check(struct testdev_session *session);
size_t testdev_session_limit(struct testdev_session *session, size_t count);
bool testdev_session_hangs(struct testdev_session *session);
bool testdev_session_pause(u32 delay_us, size_t moved);

/* testdev-save.c */
struct testdev_session *testdev_save_begin(struct testdev *tdev);
void testdev_save_mark(struct testdev_session *session, u32 page);
void testdev_save_wake(struct testdev_session *session);
void testdev_save_tick(struct work_struct *work);
u64 testdev_save_remaining(struct testdev_session *session);

/* testdev-load.c */
struct testdev_session *testdev_load_begin(struct testdev *tdev);
int testdev_load_finish(struct testdev *tdev);

/* testdev-history.c */
extern struct device_attribute dev_attr_history;
int testdev_history_begin(struct device *parent);
void testdev_history_end(void);
void testdev_history_add(struct testdev *tdev, const char *state);

/* testdev-layout.c */
enum testdev_layout testdev_layout(void);
int testdev_layout_choose(void);
const struct attribute_group **testdev_layout_device_groups(void);
int testdev_layout_add_type_files(struct testdev_parent *parent);
void testdev_layout_init_device(struct testdev *tdev);
u32 testdev_layout_config(struct testdev *tdev);
int testdev_layout_load(struct testdev *tdev, u32 from, u32 config);

/* testdev-params.c */
extern const struct attribute_group *testdev_params_device_groups[];
void testdev_params_init(struct testdev *tdev);
u32 testdev_params_config(struct testdev *tdev);
void testdev_params_explain(struct testdev *tdev, u32 config);
ssize_t testdev_params_show_type(const struct testdev_type *type, char *buf);

/* testdev-versions.c */
extern const struct attribute_group *testdev_versions_device_groups[];
void testdev_versions_init(struct testdev *tdev);
u32 testdev_versions_config(struct testdev *tdev);
void testdev_versions_explain(struct testdev *tdev, u32 config);
ssize_t testdev_versions_show_type(const struct testdev_type *type, char *buf);

/* testdev-main.c */
u64 testdev_default_state_size(void);
void testdev_reset(struct testdev *tdev);

/* testdev-sysfs.c */
extern const struct attribute_group testdev_device_group;
extern const struct attribute_group *testdev_device_groups[];
extern const struct attribute_group *testdev_parent_groups[];

#endif
