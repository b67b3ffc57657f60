// SPDX-License-Identifier: GPL-2.0
/*
 * No lock is held while user memory is copied.
 *
 * The memory that an ioctl or a read copies from or to is missing, and a
 * userfaultfd holds the copy up. Meanwhile this process does with the region
 * what takes its locks: mmap above all, which comes with mmap_lock held. A
 * driver that copies under its own lock deadlocks here, and the test times out.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "ashmem_test.h"
#include "harness.h"

enum operation {
	OP_SET_NAME, OP_GET_NAME, OP_GET_FILE_ID, OP_READ, OP_PREAD,
	OP_PIN, OP_UNPIN, OP_PIN_STATUS,
};

/* What the thread does whose copy is held up. */
struct job {
	enum operation op;
	int fd;
	/* The page that is not there. */
	char *missing;
	long ret;
	atomic_bool done;
};

FIXTURE(uffd) {
	size_t page;
	int fd;
	int uffd;
	char *missing;
};

FIXTURE_VARIANT(uffd) {
	enum operation op;
	/* Is the missing page one of the region, or of other memory? */
	bool own;
	/* Was the region mapped before? */
	bool mapped;
};

FIXTURE_VARIANT_ADD(uffd, set_name) { .op = OP_SET_NAME };
FIXTURE_VARIANT_ADD(uffd, get_name) { .op = OP_GET_NAME };
FIXTURE_VARIANT_ADD(uffd, set_name_mapped) {
	.op = OP_SET_NAME, .mapped = true
};

FIXTURE_VARIANT_ADD(uffd, get_name_mapped) {
	.op = OP_GET_NAME, .mapped = true
};

FIXTURE_VARIANT_ADD(uffd, get_file_id) {
	.op = OP_GET_FILE_ID, .mapped = true
};

FIXTURE_VARIANT_ADD(uffd, read) { .op = OP_READ, .mapped = true };
FIXTURE_VARIANT_ADD(uffd, pread) { .op = OP_PREAD, .mapped = true };
FIXTURE_VARIANT_ADD(uffd, set_name_from_itself) {
	.op = OP_SET_NAME, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, get_name_to_itself) {
	.op = OP_GET_NAME, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, get_file_id_to_itself) {
	.op = OP_GET_FILE_ID, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, read_into_itself) {
	.op = OP_READ, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, pread_into_itself) {
	.op = OP_PREAD, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, pin) { .op = OP_PIN, .mapped = true };
FIXTURE_VARIANT_ADD(uffd, unpin) { .op = OP_UNPIN, .mapped = true };
FIXTURE_VARIANT_ADD(uffd, pin_status) { .op = OP_PIN_STATUS, .mapped = true };
FIXTURE_VARIANT_ADD(uffd, unpin_before_mmap) { .op = OP_UNPIN };
FIXTURE_VARIANT_ADD(uffd, pin_from_itself) {
	.op = OP_PIN, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, unpin_from_itself) {
	.op = OP_UNPIN, .mapped = true, .own = true
};

FIXTURE_VARIANT_ADD(uffd, pin_status_from_itself) {
	.op = OP_PIN_STATUS, .mapped = true, .own = true
};

FIXTURE_SETUP(uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	self->page = page_size();
	self->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (self->uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_API, &api));
	self->fd = region("before", 2 * self->page);
	ASSERT_LE(0, self->fd);
	if (variant->mapped)
		ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED));
	if (variant->own) {
		ASSERT_EQ(0, map_at(NULL, self->fd, self->page, PROT_RW,
				    MAP_SHARED, self->page, &self->missing));
	} else {
		ASSERT_EQ(0, map(-1, self->page, PROT_RW,
				 MAP_PRIVATE | MAP_ANONYMOUS, &self->missing));
	}
	reg.range.start = (unsigned long)self->missing;
	reg.range.len = self->page;
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_REGISTER, &reg));
}

FIXTURE_TEARDOWN(uffd)
{
	close(self->uffd);
	close(self->fd);
}

static void *operate(void *arg)
{
	struct job *job = arg;

	switch (job->op) {
	case OP_SET_NAME:
		job->ret = set_name(job->fd, job->missing);
		break;
	case OP_GET_NAME:
		job->ret = get_name(job->fd, job->missing);
		break;
	case OP_GET_FILE_ID:
		job->ret = get_file_id(job->fd, job->missing);
		break;
	case OP_READ:
		job->ret = result(read(job->fd, job->missing, 64));
		break;
	case OP_PREAD:
		job->ret = result(pread(job->fd, job->missing, 64, 100));
		break;
	case OP_PIN:
		job->ret = ash_ioctl(job->fd, ASHMEM_PIN,
				     (unsigned long)job->missing);
		break;
	case OP_UNPIN:
		job->ret = ash_ioctl(job->fd, ASHMEM_UNPIN,
				     (unsigned long)job->missing);
		break;
	case OP_PIN_STATUS:
		job->ret = ash_ioctl(job->fd, ASHMEM_GET_PIN_STATUS,
				     (unsigned long)job->missing);
		break;
	}
	job->done = true;
	return NULL;
}

/* Wait until the thread faults: false when it has ended without. */
static bool wait_for_fault(int uffd, struct job *job)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (poll(&p, 1, 50) <= 0)
		if (job->done)
			return false;
	return read(uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

static long map_it(void *arg)
{
	return try_map(*(int *)arg, page_size(), PROT_RW, MAP_SHARED);
}

/* Short of time: a deadlock ends by the timeout. */
TEST_F_TIMEOUT(uffd, region_stays_usable, 8)
{
	char *fill_page = before_guard(self->page), name[ASHMEM_NAME_LEN];
	char info[ASHMEM_NAME_LEN];
	struct uffdio_copy copy = {
		.dst = (unsigned long)self->missing,
		.src = (unsigned long)fill_page,
		.len = self->page,
	};
	struct job job = {
		.op = variant->op,
		.fd = self->fd,
		.missing = self->missing,
	};
	struct maps_line line;
	bool faulted;
	pthread_t thread;
	char *p;

	/* For those that read a range, all of the region. */
	if (variant->op < OP_PIN)
		memcpy(fill_page, "after", sizeof("after"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, operate, &job));
	faulted = wait_for_fault(self->uffd, &job);
	/* A frozen name need not be read before it is refused. */
	if (variant->op != OP_SET_NAME || !variant->mapped)
		EXPECT_TRUE(faulted);

	/* All of it while the copy hangs. */
	ASSERT_EQ(0, map(self->fd, self->page, PROT_RW, MAP_SHARED, &p));
	p[0] = 'p';
	EXPECT_EQ(0, try_map(self->fd, self->page, PROT_RW, MAP_PRIVATE));
	EXPECT_EQ(0, in_child(map_it, &self->fd));
	EXPECT_EQ(2 * self->page, get_size(self->fd));
	EXPECT_EQ(-EINVAL, set_size(self->fd, 1));
	EXPECT_EQ(-EINVAL, set_name(self->fd, "meanwhile"));
	EXPECT_EQ(PROT_RWX, get_mask(self->fd));
	EXPECT_EQ(0, set_mask(self->fd, PROT_RW));
	EXPECT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ("before", name);
	EXPECT_EQ(1, pread(self->fd, info, 1, 0));
	EXPECT_EQ('p', info[0]);
	EXPECT_NE(0, file_id(self->fd));
	EXPECT_TRUE(fdinfo_line(self->fd, "name:\t", info, sizeof(info)));
	EXPECT_EQ(0, unpin(self->fd, 0, self->page));
	EXPECT_EQ(ASHMEM_IS_UNPINNED, pin_status(self->fd, 0, 0));
	EXPECT_LE(1, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
	EXPECT_EQ(0, drop_slab());

	if (faulted) {
		EXPECT_FALSE(job.done);
		ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_COPY, &copy));
	}
	ASSERT_EQ(0, pthread_join(thread, NULL));
	switch (variant->op) {
	case OP_SET_NAME:
		/* The mapping came first, and froze the name. */
		EXPECT_EQ(-EINVAL, job.ret);
		break;
	case OP_GET_NAME:
		EXPECT_EQ(0, job.ret);
		EXPECT_STREQ("before", self->missing);
		break;
	case OP_GET_FILE_ID:
		EXPECT_EQ(0, job.ret);
		EXPECT_EQ(file_id(self->fd), *(unsigned long *)self->missing);
		break;
	case OP_READ:
	case OP_PREAD:
		EXPECT_EQ(64, job.ret);
		break;
	case OP_PIN:
		EXPECT_EQ(ASHMEM_NOT_PURGED, job.ret);
		break;
	case OP_UNPIN:
		EXPECT_EQ(0, job.ret);
		EXPECT_EQ(2, unpinned_pages(self->fd));
		break;
	case OP_PIN_STATUS:
		EXPECT_EQ(ASHMEM_IS_PINNED, job.ret);
		break;
	}
	EXPECT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ("before", name);
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_STREQ("/dev/ashmem/before (deleted)", line.path);
}

TEST_HARNESS_MAIN
