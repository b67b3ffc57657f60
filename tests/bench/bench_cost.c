// SPDX-License-Identifier: GPL-2.0
/* What each operation of one thread costs, in instructions, and its like on a memfd. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../ashmem_test.h"
#include "bench.h"
#include "scene.h"

/* The pages that are touched, and those that are purged. */
#define FAULTS		1024
#define PURGED		8000

/* The ranges for what is done to all of them, and for purging. */
#define RANGES		10000
#define PARTS		1000

/* Objects whose memory is measured. */
#define OBJECTS		4000

/* For what is only possible before the first mmap. */
static bool begin_unmapped(struct bench *b)
{
	b->page = page_size();
	b->len = SMALL * b->page;
	b->p = NULL;
	b->order = NULL;
	b->fd = region("bench", b->len);
	return b->fd >= 0;
}

/* Opening and closing. */

static bool open_and_close(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 && !close(fd);
}

static bool op_open_ashmem(struct bench *b)
{
	return open_and_close(ASHMEM_DEV) && b;
}

static bool op_open_null(struct bench *b)
{
	return open_and_close("/dev/null") && b;
}

/* The life of a region: a page is mapped, touched and given back. */

static bool op_live_shm(struct bench *b)
{
	int fd = shm_open("/bench", O_RDWR | O_CREAT | O_EXCL, 0600);

	return fd >= 0 && !ftruncate(fd, page_size()) && live(fd) &&
	       !shm_unlink("/bench") && b;
}

/* The ioctls, each of them where it succeeds and changes nothing more. */

static bool op_set_name(struct bench *b)
{
	return !set_name(b->fd, "bench");
}

static bool op_get_name(struct bench *b)
{
	char name[ASHMEM_NAME_LEN];

	return !get_name(b->fd, name);
}

static bool op_set_size(struct bench *b)
{
	return !set_size(b->fd, b->len);
}

static bool op_set_mask(struct bench *b)
{
	return !set_mask(b->fd, PROT_RW);
}

static bool op_get_mask(struct bench *b)
{
	return get_mask(b->fd) == (PROT_RW | PROT_EXEC);
}

static bool op_pin(struct bench *b)
{
	return pin(b->fd, 0, b->page) == ASHMEM_NOT_PURGED;
}

static bool begin_unpinned(struct bench *b)
{
	return begin_ashmem(b) && !unpin(b->fd, 0, 0);
}

static bool op_unpin(struct bench *b)
{
	return !unpin(b->fd, 0, b->page);
}

static bool op_status(struct bench *b)
{
	return pin_status(b->fd, 0, b->page) == ASHMEM_IS_PINNED;
}

static bool op_purge_nothing(struct bench *b)
{
	return !ash_ioctl(b->fd, ASHMEM_PURGE_ALL_CACHES, 0);
}

static bool op_file_id(struct bench *b)
{
	unsigned long id;

	return !get_file_id(b->fd, &id) && id;
}

/* Memory. */

static bool op_mmap_shared(struct bench *b)
{
	return !try_map(b->fd, b->len, PROT_RW, MAP_SHARED);
}

static bool op_mmap_private(struct bench *b)
{
	return !try_map(b->fd, b->len, PROT_RW, MAP_PRIVATE);
}

static bool begin_fault_ashmem(struct bench *b)
{
	return scene(b, true, FAULTS);
}

static bool begin_fault_memfd(struct bench *b)
{
	return scene(b, false, FAULTS);
}

static bool op_fault(struct bench *b)
{
	for (size_t at = 0; at < b->len; at += b->page)
		write_byte(b->p + at);
	return true;
}

static bool op_lseek(struct bench *b)
{
	return !lseek(b->fd, 0, SEEK_SET);
}

/* Ranges. */

static bool begin_ranges(struct bench *b)
{
	return open_bench(b, b->ranges);
}

static bool begin_reverse(struct bench *b)
{
	if (!open_bench(b, b->ranges))
		return false;
	reverse(b);
	return true;
}

static bool begin_random(struct bench *b)
{
	if (!open_bench(b, b->ranges))
		return false;
	shuffle(b);
	return true;
}

static bool begin_among(struct bench *b)
{
	return begin_random(b) && unpin_all(b);
}

/* The last reference to the region is its descriptor. */
static bool begin_close(struct bench *b)
{
	if (!begin_among(b) || munmap(b->p, b->len))
		return false;
	b->p = NULL;
	return true;
}

static bool op_close(struct bench *b)
{
	int fd = b->fd;

	b->fd = -1;
	return !close(fd);
}

/* Purging, and the like on a memfd. */

static bool begin_purge_whole(struct bench *b)
{
	return scene(b, true, PURGED) && memset(b->p, 1, b->len) &&
	       !unpin(b->fd, 0, 0);
}

static bool op_purge_whole(struct bench *b)
{
	return ash_ioctl(b->fd, ASHMEM_PURGE_ALL_CACHES, 0) == PURGED;
}

static bool begin_punch_whole(struct bench *b)
{
	return scene(b, false, PURGED) && memset(b->p, 1, b->len);
}

static bool op_punch_whole(struct bench *b)
{
	return punch(b->fd, 0, b->len);
}

/* A part of it in ranges of so many pages, with a page between them. */
static bool begin_parts(struct bench *b, bool ours, unsigned int pages)
{
	b->ranges = pages;
	if (!scene(b, ours, (pages + 1) * PARTS) || !memset(b->p, 1, b->len))
		return false;
	for (unsigned int i = 0; ours && i < PARTS; i++)
		if (unpin(b->fd, i * (pages + 1) * b->page, pages * b->page))
			return false;
	return true;
}

static bool begin_purge_parts(struct bench *b)
{
	return begin_parts(b, true, b->ranges);
}

static bool begin_punch_parts(struct bench *b)
{
	return begin_parts(b, false, b->ranges);
}

static bool op_purge_parts(struct bench *b)
{
	return ash_ioctl(b->fd, ASHMEM_PURGE_ALL_CACHES, 0) == (long)b->ranges * PARTS;
}

static bool op_punch_parts(struct bench *b)
{
	for (unsigned int i = 0; i < PARTS; i++)
		if (!punch(b->fd, i * (b->ranges + 1) * b->page, b->ranges * b->page))
			return false;
	return true;
}

/* Repeated, in one scene; or once in each scene, for so many pages or ranges. */
#define OFTEN(n, s, b, o) \
	{ .name = n, .subject = s, .begin = b, .end = end, .op = o, .per = 1 }
#define ONCE(n, s, b, o, p) \
	{ .name = n, .subject = s, .begin = b, .end = end, .op = o, .per = p, .ranges = p, \
	  .once = true }
#define PART(n, s, b, o, p) \
	{ .name = n, .subject = s, .begin = b, .end = end, .op = o, .per = PARTS * (p), \
	  .ranges = p, .once = true }
#define AMONG(n, o, r) \
	{ .name = n, .subject = "ashmem", .begin = begin_among, .end = end, .op = o, .per = 1, \
	  .ranges = r }

static const struct row rows[] = {
	OFTEN("open+close", "ashmem", begin_nothing, op_open_ashmem),
	OFTEN("open+close", "/dev/null", begin_nothing, op_open_null),
	OFTEN("life", "ashmem", begin_nothing, op_live_ashmem),
	OFTEN("life", "memfd", begin_nothing, op_live_memfd),
	OFTEN("life", "shm_open", begin_nothing, op_live_shm),
	OFTEN("getppid", "kernel", begin_nothing, call_getppid),
	OFTEN("SET_NAME", "ashmem", begin_unmapped, op_set_name),
	OFTEN("GET_NAME", "ashmem", begin_ashmem, op_get_name),
	OFTEN("SET_SIZE", "ashmem", begin_unmapped, op_set_size),
	OFTEN("GET_SIZE", "ashmem", begin_ashmem, ask_size),
	OFTEN("SET_PROT_MASK", "ashmem", begin_ashmem, op_set_mask),
	OFTEN("GET_PROT_MASK", "ashmem", begin_ashmem, op_get_mask),
	OFTEN("PIN", "ashmem", begin_ashmem, op_pin),
	OFTEN("UNPIN", "ashmem", begin_unpinned, op_unpin),
	OFTEN("GET_PIN_STATUS", "ashmem", begin_ashmem, op_status),
	OFTEN("PURGE_ALL_CACHES", "ashmem", begin_ashmem, op_purge_nothing),
	OFTEN("GET_FILE_ID", "ashmem", begin_ashmem, op_file_id),
	OFTEN("mmap-shared", "ashmem", begin_ashmem, op_mmap_shared),
	OFTEN("mmap-shared", "memfd", begin_memfd, op_mmap_shared),
	OFTEN("mmap-private", "ashmem", begin_ashmem, op_mmap_private),
	OFTEN("mmap-private", "memfd", begin_memfd, op_mmap_private),
	ONCE("fault", "ashmem", begin_fault_ashmem, op_fault, FAULTS),
	ONCE("fault", "memfd", begin_fault_memfd, op_fault, FAULTS),
	OFTEN("lseek", "ashmem", begin_ashmem, op_lseek),
	OFTEN("lseek", "memfd", begin_memfd, op_lseek),
	OFTEN("read", "ashmem", begin_ashmem, op_read),
	OFTEN("read", "memfd", begin_memfd, op_read),
	AMONG("unpin+pin/0", unpin_and_pin, 0),
	AMONG("status/0", ask_status, 0),
	AMONG("unpin+pin/10", unpin_and_pin, 10),
	AMONG("status/10", ask_status, 10),
	AMONG("unpin+pin/100", unpin_and_pin, 100),
	AMONG("status/100", ask_status, 100),
	AMONG("unpin+pin/1000", unpin_and_pin, 1000),
	AMONG("status/1000", ask_status, 1000),
	AMONG("unpin+pin/10000", unpin_and_pin, 10000),
	AMONG("status/10000", ask_status, 10000),
	AMONG("unpin+pin/100000", unpin_and_pin, 100000),
	AMONG("status/100000", ask_status, 100000),
	ONCE("build/ascending", "ashmem", begin_ranges, unpin_all, RANGES),
	ONCE("build/descending", "ashmem", begin_reverse, unpin_all, RANGES),
	ONCE("build/random", "ashmem", begin_random, unpin_all, RANGES),
	ONCE("pin-all", "ashmem", begin_among, pin_all, RANGES),
	ONCE("close", "ashmem", begin_close, op_close, RANGES),
	ONCE("purge/1", "ashmem", begin_purge_whole, op_purge_whole, PURGED),
	ONCE("purge/1", "memfd", begin_punch_whole, op_punch_whole, PURGED),
	PART("purge/1000x8", "ashmem", begin_purge_parts, op_purge_parts, 8),
	PART("purge/1000x8", "memfd", begin_punch_parts, op_punch_parts, 8),
	PART("purge/1000x1", "ashmem", begin_purge_parts, op_purge_parts, 1),
	PART("purge/1000x1", "memfd", begin_punch_parts, op_punch_parts, 1),
};

/* What is in the slab caches for an object. */

static int new_region(void)
{
	return region_open();
}

static int new_mapped(void)
{
	int fd = region("bench", page_size());

	return try_map(fd, page_size(), PROT_RW, MAP_SHARED) ? -1 : fd;
}

static int new_memfd(void)
{
	return reference(page_size());
}

/* All stay open: what has been freed would serve the next ones. */
static void weigh(const char *name, const char *subject, int (*make)(void))
{
	long before = slab_bytes(), bytes;
	bool good = before > 0;

	for (unsigned int i = 0; good && i < OBJECTS; i++)
		good = make() >= 0;
	bytes = slab_bytes() - before;
	report(name, subject, "bytes", (double)bytes / OBJECTS, OBJECTS);
	passed(good && bytes > 0, name, subject);
}

static void weigh_ranges(void)
{
	struct bench b;
	bool good = open_bench(&b, 2 * RANGES);
	long before = slab_bytes(), bytes;

	good = good && before > 0 && unpin_all(&b);
	bytes = slab_bytes() - before;
	report("bytes-range", "ashmem", "bytes", bytes / (2.0 * RANGES), 2 * RANGES);
	passed(good && bytes > 0, "bytes-range", "ashmem");
	close_bench(&b);
}

static void weigh_all(void)
{
	struct rlimit limit = { .rlim_cur = 4 * OBJECTS, .rlim_max = 4 * OBJECTS };
	int first = dup(0);

	setrlimit(RLIMIT_NOFILE, &limit);
	weigh("bytes-mapped", "memfd", new_memfd);
	weigh("bytes-mapped", "ashmem", new_mapped);
	weigh("bytes-open", "ashmem", new_region);
	weigh_ranges();
	close_range(first, ~0U, 0);
}

int main(void)
{
	begin_report(rows, COUNT(rows), is_wanted("bytes") ? 4 : 0);
	if (is_wanted("bytes"))
		weigh_all();
	end_report(rows, COUNT(rows));
}
