// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading the module: not while somebody uses it, always when
 * nobody does, and nothing stays behind.
 *
 * ASHMEM_KO names the module's file. The module is loaded when this ends.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "ashmem_test.h"
#include "harness.h"

#define MODULE		"ashmem"
#define CACHE		"ashmem_area_cache"
/* A thousand; not so many where everything takes longer. */
#define CYCLES		(1000 / slowness())
#define AREA_LIMIT	192
/* What 900 cycles may cost: less than 5 KiB each, which is noise. */
#define SLACK_KIB	4096

/* delete_module() says EWOULDBLOCK for a module in use: rmmod's EBUSY. */
#define IN_USE		(-EWOULDBLOCK)

#define SHRINKER	"/sys/module/ashmem/parameters/shrinker"

static long load_with(const char *parameters)
{
	const char *path = getenv("ASHMEM_KO");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = result(syscall(SYS_finit_module, fd, parameters, 0));
	close(fd);
	return ret;
}

static long load(void)
{
	return load_with("");
}

static long unload(void)
{
	return result(syscall(SYS_delete_module, MODULE, O_NONBLOCK));
}

static bool is_loaded(void)
{
	char text[256];

	return file_line("/proc/modules", MODULE " ", text, sizeof(text));
}

/* The kernel log from now on. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * Nothing about the module, and no report of the kernel's. Who takes part in a
 * data race is for the verdict on all of the log to look at: the kernel has
 * some of its own.
 */
static bool log_is_clean(int fd)
{
	static const char * const bad[] = {
		"ashmem", "WARNING", "BUG", "Oops", "Call Trace", "Call trace",
		"Objects remaining", "refcount", "kobject", "sysfs: ",
	};
	char text[4096];
	bool clean = true, race = false;

	for (;;) {
		ssize_t n = read(fd, text, sizeof(text) - 1);

		/* What is lost may be the end of the report on a race. */
		if (n < 0 && errno == EPIPE) {
			race = false;
			continue;
		}
		if (n < 0)
			break;
		text[n] = '\0';
		if (strstr(text, "BUG: KCSAN: "))
			race = true;
		else if (strstr(text, "=========="))
			race = false;
		for (size_t i = 0; i < ARRAY_SIZE(bad) && !race; i++) {
			if (!strstr(text, bad[i]))
				continue;
			ksft_print_msg("log: %s", text);
			clean = false;
			break;
		}
	}
	return clean;
}

/* Each user of this fixture starts and ends with the module loaded, unused. */
FIXTURE(unload) {
	int log;
	size_t len;
};

FIXTURE_SETUP(unload)
{
	if (geteuid())
		SKIP(return, "needs root");
	if (!getenv("ASHMEM_KO"))
		SKIP(return, "ASHMEM_KO does not name the module");
	ASSERT_TRUE(is_loaded());
	self->len = 2 * page_size();
	self->log = log_open();
	ASSERT_LE(0, self->log);
}

FIXTURE_TEARDOWN(unload)
{
	EXPECT_TRUE(log_is_clean(self->log));
	if (!is_loaded())
		EXPECT_EQ(0, load());
	close(self->log);
}

TEST_F(unload, unused)
{
	struct stat st;

	ASSERT_EQ(0, unload());
	EXPECT_FALSE(is_loaded());
	EXPECT_EQ(-1, slab_info(CACHE, SLAB_OBJECTS));
	EXPECT_EQ(-1, stat(ASHMEM_DEV, &st));
	EXPECT_EQ(-1, stat("/sys/class/misc/ashmem", &st));
	EXPECT_EQ(-ENOENT, region_open());
	ASSERT_EQ(0, load());
	EXPECT_LE(0, region("again", 1));
}

/* The parameter counts from the start on, and a wrong one prevents it. */
TEST_F(unload, shrinker_off_at_load)
{
	int fd;
	char *p;

	ASSERT_EQ(0, unload());
	EXPECT_EQ(-EINVAL, load_with("shrinker=perhaps"));
	/* The kernel's log tells of it. */
	lseek(self->log, 0, SEEK_END);
	ASSERT_EQ(0, load_with("shrinker=0"));
	fd = region("kept", self->len);
	ASSERT_EQ(0, map(fd, self->len, PROT_RW, MAP_SHARED, &p));
	fill(p, self->len, 1);
	ASSERT_EQ(0, unpin(fd, 0, 0));
	drop_slab();
	EXPECT_TRUE(is_filled(p, self->len, 1));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(fd, 0, 0));
	ASSERT_EQ(0, unpin(fd, 0, 0));
	ASSERT_EQ(0, write_text(SHRINKER, "Y"));
	drop_slab();
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	munmap(p, self->len);
	close(fd);
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load());
}

TEST_F(unload, open_file)
{
	int fd = region("open", 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(IN_USE, unload());
	EXPECT_EQ(0, set_size(fd, 2));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, unload());
}

TEST_F(unload, mapping)
{
	static const int types[] = { MAP_SHARED, MAP_PRIVATE };
	char *p;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int fd = region("mapping", self->len);

		ASSERT_EQ(0, map(fd, self->len, PROT_RW, types[i], &p));
		ASSERT_EQ(0, close(fd));
		EXPECT_EQ(IN_USE, unload());
		fill(p, self->len, 1);
		EXPECT_TRUE(is_filled(p, self->len, 1));
		ASSERT_EQ(0, munmap(p, page_size()));
		EXPECT_EQ(IN_USE, unload());
		ASSERT_EQ(0, munmap(p + page_size(), page_size()));
		EXPECT_EQ(0, unload());
		ASSERT_EQ(0, load());
	}
}

TEST_F(unload, mapping_of_another_process)
{
	int fd = region("mapping", self->len), pipes[2];
	char *p, byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, map(fd, self->len, PROT_RW, MAP_SHARED, &p));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(fd);
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) ? 1 : touch_write(p, 1));
	}
	ASSERT_EQ(0, munmap(p, self->len));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(IN_USE, unload());
	close(pipes[1]);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, unload());
}

TEST_F(unload, descriptor_in_a_socket)
{
	int fd = region("in flight", 1), s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	ASSERT_EQ(1, send_fd(s[0], fd));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(IN_USE, unload());
	fd = recv_fd(s[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, get_size(fd));
	close(s[0]);
	close(s[1]);
	EXPECT_EQ(IN_USE, unload());
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, unload());
}

/*
 * Only a descriptor of the backing file is left. Unloading may succeed or not,
 * as long as the descriptor can be used then, and closed.
 */
TEST_F(unload, map_files_descriptor)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_PATH };
	char path[128], again[64], byte;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = region("left", self->len), left, reopened;
		struct stat st;
		char *p;
		long ret;

		ASSERT_EQ(0, map(fd, self->len, PROT_RW, MAP_SHARED, &p));
		ASSERT_TRUE(map_files_path(0, p, path, sizeof(path)));
		left = open(path, flags[i] | O_CLOEXEC);
		ASSERT_EQ(0, munmap(p, self->len));
		ASSERT_EQ(0, close(fd));
		ret = unload();
		EXPECT_TRUE(ret == 0 || ret == IN_USE);
		if (left >= 0) {
			/* Whatever these say: they must not crash. */
			(void)!fstat(left, &st);
			(void)!pread(left, &byte, 1, 0);
			(void)!pwrite(left, &byte, 1, 0);
			(void)!ftruncate(left, 1);
			try_map(left, self->len, PROT_READ, MAP_SHARED);
			try_map(left, self->len, PROT_RW, MAP_PRIVATE);
			snprintf(again, sizeof(again), "/proc/self/fd/%d",
				 left);
			reopened = open(again, O_RDWR | O_CLOEXEC);
			try_map(reopened, self->len, PROT_RW, MAP_SHARED);
			close(reopened);
			truncate(again, 0);
			EXPECT_EQ(0, close(left));
		}
		if (ret == IN_USE)
			EXPECT_EQ(0, unload());
		ASSERT_EQ(0, load());
		EXPECT_TRUE(log_is_clean(self->log));
	}
}

TEST_F(unload, slab_cache)
{
	static int fds[500];
	long before, open_count, after = -1;
	char *p;

	ASSERT_LT(0, slab_info(CACHE, SLAB_OBJECT_SIZE));
	/* A kernel that watches objects makes them larger. */
	if (!is_debugging_kernel())
		EXPECT_GE(AREA_LIMIT, slab_info(CACHE, SLAB_OBJECT_SIZE));
	before = slab_info(CACHE, SLAB_OBJECTS);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = region("counted", self->len);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, map(fds[i], self->len, PROT_RW, MAP_SHARED, &p));
		munmap(p, self->len);
	}
	open_count = slab_info(CACHE, SLAB_OBJECTS);
	EXPECT_LE(before + (long)ARRAY_SIZE(fds), open_count);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (int i = 0; i < 50 && after != before; i++) {
		after = slab_info(CACHE, SLAB_OBJECTS);
		if (after != before)
			usleep(100000);
	}
	EXPECT_EQ(before, after);
}

static long use_once(void)
{
	size_t len = 2 * page_size();
	int fd = region("cycle", len);
	char *p, byte;
	long ret;

	if (fd < 0)
		return fd;
	ret = map(fd, len, PROT_RW, MAP_SHARED, &p);
	if (ret)
		return ret;
	fill(p, len, 1);
	if (pread(fd, &byte, 1, 1) != 1 || byte != p[1])
		return -EIO;
	munmap(p, len);
	ret = try_map(fd, len, PROT_RW, MAP_PRIVATE);
	ret = ret ?: unpin(fd, 0, page_size());
	ret = ret ?: purge_all() == 1 ? 0 : -EIO;
	ret = ret ?: unpin(fd, page_size(), page_size());
	/* The ranges are left to close(). */
	close(fd);
	return ret;
}

static long meminfo_kib(const char *key)
{
	return number_in("/proc/meminfo", key);
}

TEST_F_TIMEOUT(unload, a_thousand_cycles, 500)
{
	/* KASAN keeps what was freed for a while; there kmemleak looks, too. */
	const long slack = is_debugging_kernel() ? 4 * SLACK_KIB : SLACK_KIB;
	long slab = 0, vmalloc = 0, more = 0;

	for (int i = 0; i < CYCLES; i++) {
		/* Let the kernel fill its own caches first. */
		if (i == CYCLES / 10) {
			slab = meminfo_kib("SUnreclaim:");
			vmalloc = meminfo_kib("VmallocUsed:");
		}
		ASSERT_EQ(0, use_once()) TH_LOG("cycle %d", i);
		ASSERT_EQ(0, unload()) TH_LOG("cycle %d", i);
		ASSERT_EQ(-1, slab_info(CACHE, SLAB_OBJECTS));
		ASSERT_FALSE(is_loaded());
		ASSERT_EQ(0, load()) TH_LOG("cycle %d", i);
	}
	EXPECT_EQ(0, slab_info(CACHE, SLAB_OBJECTS));
	for (int i = 0; i < 50; i++) {
		more = meminfo_kib("SUnreclaim:") - slab;
		if (more < slack)
			break;
		usleep(100000);
	}
	TH_LOG("%ld KiB more", more);
	EXPECT_GT(slack, more);
	EXPECT_GT(SLACK_KIB, meminfo_kib("VmallocUsed:") - vmalloc);
}

static atomic_bool stop;

static void *open_always(void *arg)
{
	long *bad = arg;

	while (!stop) {
		int fd = region_open();

		if (fd >= 0) {
			if (set_size(fd, page_size()) ||
			    try_map(fd, page_size(), PROT_RW, MAP_SHARED))
				*bad = 1;
			close(fd);
		} else if (fd != -ENOENT && fd != -ENODEV && fd != -ENXIO) {
			*bad = fd;
		}
	}
	return NULL;
}

/* Opening beside it: there or not there, but never half. */
TEST_F(unload, against_open)
{
	time_t start = time(NULL);
	long bad = 0, ret, gone = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, open_always, &bad));
	/* Until it has gone at least once. */
	while (time(NULL) < start + 4 || !gone) {
		ret = unload();
		ASSERT_TRUE(ret == 0 || ret == IN_USE);
		if (!ret) {
			gone++;
			ASSERT_EQ(0, load());
		}
	}
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, bad);
	TH_LOG("unloaded %ld times", gone);
}

/* The module's file: does modinfo find this text? */
static bool in_modinfo(const char *text, size_t len_of_text)
{
	int fd = open(getenv("ASHMEM_KO"), O_RDONLY | O_CLOEXEC);
	size_t len = lseek(fd, 0, SEEK_END);
	char *p = NULL;
	/* The NUL at its end counts: the value is that and no more. */
	bool found = !map(fd, len, PROT_READ, MAP_PRIVATE, &p) &&
		     memmem(p, len, text, len_of_text);

	munmap(p, len);
	close(fd);
	return found;
}

TEST_F(unload, modinfo)
{
	EXPECT_TRUE(in_modinfo("license=GPL", sizeof("license=GPL")));
	EXPECT_TRUE(in_modinfo("author=", strlen("author=")));
	EXPECT_TRUE(in_modinfo("description=", strlen("description=")));
	EXPECT_TRUE(in_modinfo("alias=", strlen("alias=")));
}

TEST_HARNESS_MAIN
