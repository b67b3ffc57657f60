// SPDX-License-Identifier: GPL-2.0
/* What the module shows of itself: debugfs, its parameter, tracepoints. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ashmem_test.h"
#include "harness.h"

#define TRACING		"/sys/kernel/tracing/"
#define SHRINKER	"/sys/module/ashmem/parameters/shrinker"

/* How many lines of the list of areas end like this; its head line counts, too. */
static int areas(const char *end)
{
	FILE *f = fopen(DEBUGFS "areas", "re");
	char line[2048];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n");

		line[len] = '\0';
		n += len >= strlen(end) &&
		     !strcmp(line + len - strlen(end), end);
	}
	if (f)
		fclose(f);
	return f ? n : -1;
}

static bool read_only_by_root(const char *path)
{
	struct stat st;

	return !stat(path, &st) && (st.st_mode & 07777) == 0400;
}

TEST(files_are_roots)
{
	EXPECT_TRUE(read_only_by_root(DEBUGFS "totals"));
	EXPECT_TRUE(read_only_by_root(DEBUGFS "areas"));
}

TEST(totals)
{
	const size_t page = page_size();
	long areas = total("areas"), mapped = total("mapped");
	long pages = total("purged_pages"), ranges = total("purged_ranges");
	long calls = total("shrinker_calls");
	int fd = region("totals", 8 * page);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, calls);
	EXPECT_EQ(0, total("unpinned_pages"));
	EXPECT_EQ(areas + 1, total("areas"));
	EXPECT_EQ(mapped, total("mapped"));
	ASSERT_EQ(0, map(fd, 8 * page, PROT_RW, MAP_SHARED, &p));
	EXPECT_EQ(mapped + 1, total("mapped"));
	ASSERT_EQ(0, unpin(fd, 0, 3 * page));
	ASSERT_EQ(0, unpin(fd, 5 * page, page));
	EXPECT_EQ(4, total("unpinned_pages"));

	EXPECT_EQ(4, purge_all());
	EXPECT_EQ(pages + 4, total("purged_pages"));
	EXPECT_EQ(ranges + 2, total("purged_ranges"));
	EXPECT_EQ(calls, total("shrinker_calls"));
	EXPECT_EQ(4, total("unpinned_pages"));

	ASSERT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	ASSERT_EQ(0, unpin(fd, 0, 0));
	ASSERT_EQ(0, drop_slab());
	EXPECT_EQ(pages + 12, total("purged_pages"));
	EXPECT_EQ(ranges + 3, total("purged_ranges"));
	EXPECT_LT(calls, total("shrinker_calls"));

	munmap(p, 8 * page);
	EXPECT_EQ(mapped, total("mapped"));
	/* A private mapping is one, too. */
	ASSERT_EQ(0, map(fd, 8 * page, PROT_RW, MAP_PRIVATE, &p));
	EXPECT_EQ(mapped + 1, total("mapped"));
	munmap(p, 8 * page);
	EXPECT_EQ(mapped, total("mapped"));
	close(fd);
	EXPECT_EQ(areas, total("areas"));
	EXPECT_EQ(0, total("unpinned_pages"));
}

TEST(list_of_areas)
{
	const size_t page = page_size();
	char line[128];
	int fd = region_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(1, areas("size\tpid\tunpinned\tname"));
	snprintf(line, sizeof(line), "0\t%d\t0\tdev/ashmem", getpid());
	EXPECT_EQ(1, areas(line));
	ASSERT_EQ(0, set_size(fd, 4 * page + 1));
	ASSERT_EQ(0, set_name(fd, "listed"));
	snprintf(line, sizeof(line), "%zu\t%d\t0\tlisted", 4 * page + 1,
		 getpid());
	EXPECT_EQ(1, areas(line));
	ASSERT_EQ(0, try_map(fd, 1, PROT_RW, MAP_SHARED));
	ASSERT_EQ(0, unpin(fd, page, 0));
	snprintf(line, sizeof(line), "%zu\t%d\t4\tlisted", 4 * page + 1,
		 getpid());
	EXPECT_EQ(1, areas(line));
	close(fd);
	EXPECT_EQ(0, areas("\tlisted"));
}

/* A name cannot forge a column or a line. */
TEST(names_are_escaped)
{
	static const char name[] = "a\tb\nc\\d \x01\x7f\xc3\xa9";
	int fd = region_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_name(fd, name));
	EXPECT_EQ(1, areas("\ta\\011b\\012c\\134d \\001\\177\\303\\251"));
	close(fd);
}

/* Who holds such a file open holds the module. */
TEST(open_file_holds_the_module)
{
	char before[32], during[32];
	int fd;

	ASSERT_TRUE(file_line("/sys/module/ashmem/refcnt", "", before,
			      sizeof(before)));
	fd = open(DEBUGFS "totals", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(file_line("/sys/module/ashmem/refcnt", "", during,
			      sizeof(during)));
	EXPECT_EQ(atol(before) + 1, atol(during));
	close(fd);
}

/* Reading while regions come and go. */
#define MANY	600

struct churn {
	pthread_t thread;
	atomic_bool stop;
	atomic_long rounds;
};

static void *open_and_close(void *arg)
{
	struct churn *c = arg;
	int fds[MANY];

	while (!c->stop) {
		for (int i = 0; i < MANY; i++)
			fds[i] = region("churn", page_size());
		for (int i = 0; i < MANY; i++) {
			if (i % 3 == 0) {
				try_map(fds[i], 1, PROT_RW, MAP_SHARED);
				unpin(fds[i], 0, 0);
			}
			/* In another order than they came. */
			close(fds[(i * 7) % MANY]);
		}
		c->rounds++;
	}
	return NULL;
}

TEST(reading_beside_open_and_close)
{
	struct rlimit limit = { 4 * MANY, 4 * MANY };
	struct churn churn[2] = {};
	long before = total("areas");
	int lines = 0, well_formed = 0, busy = 0;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&churn[i].thread, NULL,
					    open_and_close, &churn[i]));
	for (int i = 0; i < 150; i++) {
		FILE *f = fopen(DEBUGFS "areas", "re");
		char line[256], rest[16];
		long size, pages;
		int pid;

		ASSERT_NE(NULL, f);
		EXPECT_NE(NULL, fgets(line, sizeof(line), f));
		while (fgets(line, sizeof(line), f)) {
			lines++;
			/* Just being named, or mapped for the first time. */
			if (sscanf(line, "?\t%d\t%ld\t%15s", &pid, &pages, rest) == 3) {
				busy++;
				well_formed += !strcmp(rest, "?") && pid == getpid();
				continue;
			}
			well_formed += sscanf(line, "%ld\t%d\t%ld\t%15s",
					      &size, &pid, &pages, rest) == 4 &&
				       pid == getpid();
		}
		fclose(f);
		EXPECT_LE(0, total("areas"));
		EXPECT_LE(0, purge_all());
	}
	for (int i = 0; i < 2; i++) {
		churn[i].stop = true;
		pthread_join(churn[i].thread, NULL);
		EXPECT_LT(0, churn[i].rounds);
	}
	printf("# %d lines in 150 readings, %d of them busy\n", lines, busy);
	EXPECT_LT(1000, lines);
	EXPECT_EQ(lines, well_formed);
	EXPECT_GT(lines / 2, busy);
	EXPECT_EQ(before, total("areas"));
}

TEST(parameter)
{
	struct stat st;
	char text[8];

	ASSERT_EQ(0, stat(SHRINKER, &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
	ASSERT_TRUE(file_line(SHRINKER, "", text, sizeof(text)));
	EXPECT_STREQ("Y", text);
	EXPECT_EQ(-EINVAL, write_text(SHRINKER, "maybe"));
	EXPECT_EQ(0, write_text(SHRINKER, "0"));
	ASSERT_TRUE(file_line(SHRINKER, "", text, sizeof(text)));
	EXPECT_STREQ("N", text);
	EXPECT_EQ(0, write_text(SHRINKER, "1"));
}

/* Does the trace have a line with this in it? */
static bool trace_has(const char *want)
{
	FILE *f = fopen(TRACING "trace", "re");
	char line[1024];
	bool found = false;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found |= !!strstr(line, want);
	}
	if (f)
		fclose(f);
	return found;
}

/* All of this behind the name of the event? */
static bool traced(const char *event, const char *fields)
{
	char want[512];

	snprintf(want, sizeof(want), " %s: %s", event, fields);
	return trace_has(want);
}

FIXTURE(trace) {
	size_t page;
	int fd;
	char *p;
};

FIXTURE_VARIANT(trace) {
	bool on;
};

FIXTURE_VARIANT_ADD(trace, on) { true };
FIXTURE_VARIANT_ADD(trace, off) { false };

FIXTURE_SETUP(trace)
{
	if (access(TRACING "events/ashmem", F_OK))
		SKIP(return, "no tracefs in " TRACING);
	self->page = page_size();
	/* This empties it. */
	ASSERT_EQ(0, close(open(TRACING "trace", O_WRONLY | O_TRUNC)));
	ASSERT_EQ(0, write_text(TRACING "events/ashmem/enable",
				variant->on ? "1" : "0"));
	self->fd = region("traced", 10 * self->page + 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map(self->fd, 10 * self->page, PROT_RW, MAP_SHARED,
			 &self->p));
}

FIXTURE_TEARDOWN(trace)
{
	write_text(TRACING "events/ashmem/enable", "0");
	munmap(self->p, 10 * self->page);
	close(self->fd);
}

TEST_F(trace, events)
{
	const unsigned long ino = file_id(self->fd);
	char text[256], area[64] = "";
	FILE *f;

	memset(self->p, 'x', 4 * self->page);
	ASSERT_EQ(0, unpin(self->fd, 2 * self->page, 5 * self->page));
	EXPECT_EQ(5, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 3 * self->page, self->page));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, self->page));
	ASSERT_EQ(0, unpin(self->fd, 8 * self->page, 0));
	ASSERT_EQ(0, drop_slab());
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_PRIVATE));

	/* The same region from the first event to the mappings. */
	f = fopen(TRACING "trace", "re");
	while (f && fgets(text, sizeof(text), f)) {
		char *at = strstr(text, " ashmem_open: area=");

		if (at && !area[0])
			sscanf(at, " ashmem_open: area=%63s", area);
	}
	if (f)
		fclose(f);
	EXPECT_EQ(variant->on, area[0] != '\0');
	snprintf(text, sizeof(text),
		 "area=%s ino=%lu size=%zu shared=1 name=dev/ashmem/traced",
		 area, ino, 10 * self->page + 1);
	EXPECT_EQ(variant->on, traced("ashmem_mmap", text));
	snprintf(text, sizeof(text), "area=%s ino=%lu size=%zu shared=0",
		 area, ino, 10 * self->page + 1);
	EXPECT_EQ(variant->on, traced("ashmem_mmap", text));

	snprintf(text, sizeof(text), "ino=%lu first=2 pages=5 ret=0", ino);
	EXPECT_EQ(variant->on, traced("ashmem_unpin", text));
	snprintf(text, sizeof(text), "ino=%lu first=8 pages=3 ret=0", ino);
	EXPECT_EQ(variant->on, traced("ashmem_unpin", text));
	snprintf(text, sizeof(text), "ino=%lu first=3 pages=1 ret=1", ino);
	EXPECT_EQ(variant->on, traced("ashmem_pin", text));
	snprintf(text, sizeof(text), "ino=%lu first=0 pages=1 ret=0", ino);
	EXPECT_EQ(variant->on, traced("ashmem_pin", text));
	snprintf(text, sizeof(text), "ino=%lu first=2 pages=5 freed=2", ino);
	EXPECT_EQ(variant->on, traced("ashmem_purge", text));
	snprintf(text, sizeof(text), "ino=%lu first=8 pages=3 freed=0", ino);
	EXPECT_EQ(variant->on, traced("ashmem_purge", text));
	EXPECT_EQ(variant->on, traced("ashmem_shrink", "nid=0 nr_to_scan="));
	EXPECT_EQ(variant->on, traced("ashmem_open", "area="));
}

/* No name makes a line of its own, or moves the cursor of who reads it. */
TEST_F(trace, name_with_control_characters)
{
	int fd = region("\xc3\xa4\nforged\033\x7f", 1);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, try_map(fd, 1, PROT_READ, MAP_SHARED));
	EXPECT_EQ(variant->on, trace_has(" name=dev/ashmem/\xc3\xa4?forged??"));
	close(fd);
}

#define SHRINK_START	TRACING "events/vmscan/mm_shrink_slab_start/enable"

/* How many pages reclaim is told that it could have, when it asks first. */
static long offered(void)
{
	char line[1024];
	long items = -1;
	FILE *f;

	if (close(open(TRACING "trace", O_WRONLY | O_TRUNC)) ||
	    write_text(SHRINK_START, "1"))
		return -1;
	drop_slab();
	write_text(SHRINK_START, "0");
	f = fopen(TRACING "trace", "re");
	while (f && items < 0 && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, " cache items ");

		if (at && strstr(line, "[ashmem]"))
			items = atol(at + strlen(" cache items "));
	}
	if (f)
		fclose(f);
	return items;
}

#define OFFERED		4000
/* Counters of CPUs are off by a little, each. */
#define OFF_BY		500

/* What is purged, pinned or closed is offered no more. */
TEST(only_what_can_be_had_is_offered)
{
	const size_t page = page_size();
	int fd[3];

	if (access(SHRINK_START, W_OK))
		SKIP(return, "no " SHRINK_START);
	for (int i = 0; i < 3; i++) {
		fd[i] = region("offered", OFFERED * page);
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, try_map(fd[i], page, PROT_RW, MAP_SHARED));
		ASSERT_EQ(0, unpin(fd[i], 0, 0));
	}
	ASSERT_EQ(0, pin(fd[0], 0, 0));
	close(fd[1]);
	EXPECT_GT(OFF_BY, labs(offered() - OFFERED));
	/* Nothing is left of it. */
	EXPECT_EQ(-1, offered());

	ASSERT_EQ(0, unpin(fd[0], page, 0));
	EXPECT_GT(OFF_BY, labs(offered() - OFFERED));
	close(fd[0]);
	close(fd[2]);
}

TEST_HARNESS_MAIN
