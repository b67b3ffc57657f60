// SPDX-License-Identifier: GPL-2.0
/*
 * Every operation of /dev/ashmem, with every fault there can be in it: a failed
 * allocation, a failed copy from or to user memory. Each fails with an errno that
 * is documented, changes nothing, loses nothing, and works when it is tried again.
 *
 * Needs a kernel with fault injection. That nothing is lost is also for kmemleak to
 * say, when all suites have run.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "ashmem_test.h"
#include "fault.h"
#include "harness.h"

#define PAGES	20
#define SIZE	(PAGES * page_size())
#define NAME	"before"

/* What a scene has, and how its region was when it began. */
struct scene {
	int fd;
	char *p;
	char *more;
	long size;
	long mask;
	long unpinned;
	unsigned long id;
	char name[ASHMEM_NAME_LEN];
	char buf[4096];
};

static void look(struct scene *s)
{
	s->size = get_size(s->fd);
	s->mask = get_mask(s->fd);
	s->unpinned = unpinned_pages(s->fd);
	s->id = file_id(s->fd);
	get_name(s->fd, s->name);
}

static void *nothing(void)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->fd = -1;
	s->p = MAP_FAILED;
	s->more = MAP_FAILED;
	return s;
}

static void *draft(void)
{
	struct scene *s = nothing();

	s->fd = region(NAME, SIZE);
	look(s);
	return s;
}

static void *mapped(void)
{
	struct scene *s = draft();

	map(s->fd, SIZE, PROT_RW, MAP_SHARED, &s->p);
	fill(s->p, SIZE, 1);
	look(s);
	return s;
}

static void *unpinned(void)
{
	struct scene *s = mapped();

	unpin(s->fd, 0, SIZE);
	look(s);
	return s;
}

static void *one_unpinned(void)
{
	struct scene *s = mapped();

	unpin(s->fd, 0, page_size());
	look(s);
	return s;
}

/* More ranges than are looked at without keeping in mind what was seen. */
static void *each_unpinned(void)
{
	struct scene *s = mapped();

	for (size_t at = 0; at < SIZE; at += page_size())
		unpin(s->fd, at, page_size());
	look(s);
	return s;
}

/* All of it is known to be unpinned, as one run over many ranges. */
static void *a_run_unpinned(void)
{
	struct scene *s = each_unpinned();

	unpin(s->fd, 0, 0);
	return s;
}

static void end(void *scene)
{
	struct scene *s = scene;

	if (s->p != MAP_FAILED)
		munmap(s->p, SIZE);
	if (s->more != MAP_FAILED)
		munmap(s->more, SIZE);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* Is the region as it was? Its content too, where nothing of it was given away. */
static bool unchanged(void *scene)
{
	struct scene *s = scene, now = { .fd = s->fd };

	look(&now);
	return now.size == s->size && now.mask == s->mask && now.id == s->id &&
	       now.unpinned == s->unpinned && !strcmp(now.name, s->name) &&
	       (s->p == MAP_FAILED || s->unpinned || is_filled(s->p, SIZE, 1));
}

static long run_open(void *scene)
{
	struct scene *s = scene;

	return s->fd = result(open(ASHMEM_DEV, O_RDWR | O_CLOEXEC));
}

static bool not_open(void *scene)
{
	struct scene *s = scene;

	return s->fd < 0;
}

static long run_close(void *scene)
{
	struct scene *s = scene;
	long ret = result(close(s->fd));

	s->fd = -1;
	return ret;
}

static long run_set_name(void *scene)
{
	return set_name(((struct scene *)scene)->fd, "after");
}

static bool is_renamed(void *scene)
{
	char name[ASHMEM_NAME_LEN];

	return !get_name(((struct scene *)scene)->fd, name) && !strcmp(name, "after");
}

static long run_get_name(void *scene)
{
	struct scene *s = scene;

	return get_name(s->fd, s->buf);
}

static bool has_name(void *scene)
{
	return !strcmp(((struct scene *)scene)->buf, NAME);
}

static long run_set_size(void *scene)
{
	return set_size(((struct scene *)scene)->fd, 4 * SIZE);
}

static long run_get_size(void *scene)
{
	return ash_ioctl(((struct scene *)scene)->fd, ASHMEM_GET_SIZE, 0);
}

static long run_set_mask(void *scene)
{
	return set_mask(((struct scene *)scene)->fd, PROT_READ);
}

static long run_get_mask(void *scene)
{
	return get_mask(((struct scene *)scene)->fd);
}

static long run_get_file_id(void *scene)
{
	struct scene *s = scene;

	return get_file_id(s->fd, s->buf);
}

static long run_map_shared(void *scene)
{
	struct scene *s = scene;

	return map(s->fd, SIZE, PROT_RW, MAP_SHARED, &s->more);
}

static long run_map_private(void *scene)
{
	struct scene *s = scene;

	return map(s->fd, SIZE, PROT_RW, MAP_PRIVATE, &s->more);
}

static long run_map_noreserve(void *scene)
{
	struct scene *s = scene;

	return map(s->fd, SIZE, PROT_RW, MAP_SHARED | MAP_NORESERVE, &s->more);
}

static bool is_mapped(void *scene)
{
	struct scene *s = scene;

	return s->more != MAP_FAILED && file_id(s->fd) && !touch_read(s->more);
}

static long run_fault(void *scene)
{
	return -touch_read(((struct scene *)scene)->more);
}

static void *mapped_not_touched(void)
{
	struct scene *s = draft();

	map(s->fd, SIZE, PROT_RW, MAP_SHARED, &s->more);
	look(s);
	return s;
}

static long run_read(void *scene)
{
	struct scene *s = scene;

	return result(pread(s->fd, s->buf, 100, 0));
}

static bool has_read(void *scene)
{
	struct scene *s = scene;

	return !memcmp(s->buf, s->p, 100);
}

static long run_seek_data(void *scene)
{
	return result(lseek(((struct scene *)scene)->fd, 0, SEEK_DATA));
}

static long run_unpin_all(void *scene)
{
	return unpin(((struct scene *)scene)->fd, 0, 0);
}

static long run_unpin_last(void *scene)
{
	struct scene *s = scene;

	return unpin(s->fd, SIZE - page_size(), page_size());
}

static bool one_more(void *scene)
{
	struct scene *s = scene;

	return unpinned_pages(s->fd) == s->unpinned + 1;
}

static long run_unpin_twice(void *scene)
{
	struct scene *s = scene;
	long ret = unpin(s->fd, 2 * page_size(), page_size());

	if (ret)
		return ret;
	ret = unpin(s->fd, 4 * page_size(), page_size());
	if (ret)
		pin(s->fd, 2 * page_size(), page_size());
	return ret;
}

static bool two_more(void *scene)
{
	struct scene *s = scene;

	return unpinned_pages(s->fd) == s->unpinned + 2;
}

static long run_pin_middle(void *scene)
{
	struct scene *s = scene;

	return pin(s->fd, 3 * page_size(), page_size());
}

static bool one_less(void *scene)
{
	struct scene *s = scene;

	return unpinned_pages(s->fd) == s->unpinned - 1;
}

static long run_pin_all(void *scene)
{
	struct scene *s = scene;

	return pin(s->fd, 0, 0);
}

static bool all_pinned(void *scene)
{
	return !unpinned_pages(((struct scene *)scene)->fd);
}

static long run_status(void *scene)
{
	return pin_status(((struct scene *)scene)->fd, 0, page_size());
}

static long run_purge_all(void *scene)
{
	return ash_ioctl(((struct scene *)scene)->fd, ASHMEM_PURGE_ALL_CACHES, 0);
}

static bool is_purged(void *scene)
{
	struct scene *s = scene;

	return is_all(s->p, SIZE, 0) && pin(s->fd, 0, 0) == ASHMEM_WAS_PURGED;
}

static long run_reclaim(void *scene)
{
	(void)scene;
	return drop_slab();
}

/* Without memory for a worker reclaim gives nothing back, but the next one does. */
static long run_reclaim_twice(void *scene)
{
	return run_reclaim(scene) ?: run_reclaim(scene);
}

static long read_file(struct scene *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = result(read(fd, s->buf, sizeof(s->buf)));
	close(fd);
	return ret;
}

static long run_fdinfo(void *scene)
{
	struct scene *s = scene;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
	return read_file(s, path);
}

static long run_totals(void *scene)
{
	return read_file(scene, DEBUGFS "totals");
}

static long run_areas(void *scene)
{
	return read_file(scene, DEBUGFS "areas");
}

/* Loading a module: ASHMEM_KO is the one of ashmem, the other is beside it. */
static void *unloaded(const char *module)
{
	struct scene *s = nothing();
	const char *ashmem = getenv("ASHMEM_KO");
	const char *slash = strrchr(ashmem ? ashmem : "", '/');
	char path[256];

	snprintf(s->name, sizeof(s->name), "%s", module);
	snprintf(path, sizeof(path), "%.*s/%s.ko", slash ? (int)(slash - ashmem) : 0, ashmem,
		 module);
	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	syscall(SYS_delete_module, s->name, O_NONBLOCK);
	return s;
}

static void *unloaded_ashmem(void)
{
	return unloaded("ashmem");
}

static void *unloaded_binder_fd(void)
{
	return unloaded("binder_fd");
}

static long run_load(void *scene)
{
	return result(syscall(SYS_finit_module, ((struct scene *)scene)->fd, "", 0));
}

static bool is_loaded(void *scene)
{
	struct scene *s = scene;
	char key[ASHMEM_NAME_LEN + 1], text[256];

	snprintf(key, sizeof(key), "%s ", s->name);
	return file_line("/proc/modules", key, text, sizeof(text));
}

/* Is there nothing of a module in the kernel's own lists? */
static bool leaves_nothing(const char *module)
{
	char path[ASHMEM_NAME_LEN + 16];

	snprintf(path, sizeof(path), "/sys/class/misc/%s", module);
	if (!access(path, F_OK))
		return false;
	if (strcmp(module, "ashmem"))
		return true;
	return access(DEBUGFS, F_OK) && slab_objects(OWN_CACHES) < 0;
}

static bool is_not_loaded(void *scene)
{
	struct scene *s = scene;
	char path[ASHMEM_NAME_LEN + 5];

	snprintf(path, sizeof(path), "/dev/%s", s->name);
	return !is_loaded(scene) && access(path, F_OK) && leaves_nothing(s->name);
}

/* It is loaded again, whatever has come of it. */
static void end_loaded(void *scene)
{
	if (!is_loaded(scene))
		run_load(scene);
	end(scene);
}

FIXTURE(fault) {
};

FIXTURE_VARIANT(fault) {
	struct operation op;
};

FIXTURE_SETUP(fault)
{
	/* Only kernels that do are told to run this. */
	ASSERT_TRUE(faults_begin())
		TH_LOG("this kernel puts no faults in: %s", strerror(errno));
}

FIXTURE_TEARDOWN(fault)
{
}

FIXTURE_VARIANT_ADD(fault, open) {
	.op = {
		.name = "open",
		.begin = nothing, .run = run_open, .check = not_open, .end = end, .can_fail = true,
		.errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, close) {
	.op = {
		.name = "close",
		.begin = draft, .run = run_close, .done = not_open, .end = end,
	},
};

FIXTURE_VARIANT_ADD(fault, close_unpinned) {
	.op = {
		.name = "close_unpinned",
		.begin = unpinned, .run = run_close, .done = not_open, .end = end,
	},
};

FIXTURE_VARIANT_ADD(fault, set_name) {
	.op = {
		.name = "set_name",
		.begin = draft, .run = run_set_name, .check = unchanged, .done = is_renamed,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, get_name) {
	.op = {
		.name = "get_name",
		.begin = draft, .run = run_get_name, .check = unchanged, .done = has_name,
		.end = end, .can_fail = true, .errors = { EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, set_size) {
	.op = {
		.name = "set_size",
		.begin = draft, .run = run_set_size, .check = unchanged, .end = end,
	},
};

FIXTURE_VARIANT_ADD(fault, get_size) {
	.op = {
		.name = "get_size",
		.begin = mapped, .run = run_get_size, .check = unchanged, .done = unchanged,
		.end = end,
	},
};

FIXTURE_VARIANT_ADD(fault, set_prot_mask) {
	.op = {
		.name = "set_prot_mask",
		.begin = draft, .run = run_set_mask, .check = unchanged, .end = end,
	},
};

FIXTURE_VARIANT_ADD(fault, get_prot_mask) {
	.op = {
		.name = "get_prot_mask",
		.begin = draft, .run = run_get_mask, .check = unchanged, .done = unchanged,
		.end = end,
	},
};

FIXTURE_VARIANT_ADD(fault, get_file_id) {
	.op = {
		.name = "get_file_id",
		.begin = mapped, .run = run_get_file_id, .check = unchanged, .done = unchanged,
		.end = end, .can_fail = true, .errors = { EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, first_mmap_shared) {
	.op = {
		.name = "first_mmap_shared",
		.begin = draft, .run = run_map_shared, .check = unchanged, .done = is_mapped,
		.end = end, .can_fail = true, .errors = { ENOMEM },
	},
};

FIXTURE_VARIANT_ADD(fault, first_mmap_private) {
	.op = {
		.name = "first_mmap_private",
		.begin = draft, .run = run_map_private, .check = unchanged, .done = is_mapped,
		.end = end, .can_fail = true, .errors = { ENOMEM },
	},
};

FIXTURE_VARIANT_ADD(fault, first_mmap_noreserve) {
	.op = {
		.name = "first_mmap_noreserve",
		.begin = draft, .run = run_map_noreserve, .check = unchanged, .done = is_mapped,
		.end = end, .can_fail = true, .errors = { ENOMEM },
	},
};

FIXTURE_VARIANT_ADD(fault, mmap_shared) {
	.op = {
		.name = "mmap_shared",
		.begin = mapped, .run = run_map_shared, .check = unchanged, .done = is_mapped,
		.end = end, .can_fail = true, .errors = { ENOMEM },
	},
};

FIXTURE_VARIANT_ADD(fault, mmap_private) {
	.op = {
		.name = "mmap_private",
		.begin = mapped, .run = run_map_private, .check = unchanged, .done = is_mapped,
		.end = end, .can_fail = true, .errors = { ENOMEM },
	},
};

FIXTURE_VARIANT_ADD(fault, page_fault) {
	.op = {
		.name = "page_fault",
		.begin = mapped_not_touched, .run = run_fault, .check = unchanged,
		.done = is_mapped, .end = end, .can_fail = true,
	},
};

FIXTURE_VARIANT_ADD(fault, read) {
	.op = {
		.name = "read",
		.begin = mapped, .run = run_read, .check = unchanged, .done = has_read, .end = end,
		.can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, seek_data) {
	.op = {
		.name = "seek_data",
		/* In a 32-bit program the position is written to memory. */
		.begin = mapped, .run = run_seek_data, .check = unchanged, .done = unchanged,
		.end = end, .errors = { EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, first_unpin) {
	.op = {
		.name = "first_unpin",
		.begin = mapped, .run = run_unpin_last, .check = unchanged, .done = one_more,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, unpin) {
	.op = {
		.name = "unpin",
		.begin = one_unpinned, .run = run_unpin_last, .check = unchanged, .done = one_more,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, unpin_twice) {
	.op = {
		.name = "unpin_twice",
		.begin = one_unpinned, .run = run_unpin_twice, .check = unchanged,
		.done = two_more, .end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, unpin_again) {
	.op = {
		.name = "unpin_again",
		.begin = each_unpinned, .run = run_unpin_all, .check = unchanged,
		.done = unchanged, .end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, pin_that_splits) {
	.op = {
		.name = "pin_that_splits",
		.begin = unpinned, .run = run_pin_middle, .check = unchanged, .done = one_less,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, pin_that_splits_a_run) {
	.op = {
		.name = "pin_that_splits_a_run",
		.begin = a_run_unpinned, .run = run_pin_middle, .check = unchanged,
		.done = one_less, .end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, pin_all) {
	.op = {
		.name = "pin_all",
		.begin = unpinned, .run = run_pin_all, .check = unchanged, .done = all_pinned,
		.end = end, .can_fail = true, .errors = { EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, get_pin_status) {
	.op = {
		.name = "get_pin_status",
		.begin = unpinned, .run = run_status, .check = unchanged, .done = unchanged,
		.end = end, .can_fail = true, .errors = { EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, purge_all_caches) {
	.op = {
		.name = "purge_all_caches",
		.begin = unpinned, .run = run_purge_all, .done = is_purged, .end = end,
		.can_fail = true,
	},
};

FIXTURE_VARIANT_ADD(fault, purge_in_reclaim) {
	.op = {
		.name = "purge_in_reclaim",
		.begin = unpinned, .run = run_reclaim_twice, .done = is_purged, .end = end,
		.can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, reclaim_of_nothing) {
	.op = {
		.name = "reclaim_of_nothing",
		.begin = mapped, .run = run_reclaim, .check = unchanged, .done = unchanged,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, fdinfo) {
	.op = {
		.name = "fdinfo",
		.begin = mapped, .run = run_fdinfo, .check = unchanged, .done = unchanged,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, debugfs_totals) {
	.op = {
		.name = "debugfs_totals",
		.begin = unpinned, .run = run_totals, .check = unchanged, .done = unchanged,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, debugfs_areas) {
	.op = {
		.name = "debugfs_areas",
		.begin = unpinned, .run = run_areas, .check = unchanged, .done = unchanged,
		.end = end, .can_fail = true, .errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, load_ashmem) {
	.op = {
		.name = "load_ashmem",
		.once = true,
		.begin = unloaded_ashmem, .run = run_load, .check = is_not_loaded,
		.done = is_loaded, .end = end_loaded, .can_fail = true,
		.errors = { ENOMEM, EFAULT },
	},
};

FIXTURE_VARIANT_ADD(fault, load_binder_fd) {
	.op = {
		.name = "load_binder_fd",
		.once = true,
		.begin = unloaded_binder_fd, .run = run_load, .check = is_not_loaded,
		.done = is_loaded, .end = end_loaded, .can_fail = true,
		.errors = { ENOMEM, EFAULT },
	},
};

TEST_F_TIMEOUT(fault, is_survived, 600)
{
	struct faults seen = faults_run(&variant->op);

	ksft_print_msg("figure: %s: %d faults, %d of them survived\n", variant->op.name,
		       seen.injected, seen.survived);
	TH_LOG("%ld objects more", seen.more);
	if (seen.wrong)
		TH_LOG("fault %d: %s; the result was %ld", seen.injected, seen.wrong,
		       seen.result);
	EXPECT_EQ(NULL, seen.wrong);
	if (variant->op.can_fail)
		EXPECT_LT(0, seen.injected);
}

TEST_HARNESS_MAIN
