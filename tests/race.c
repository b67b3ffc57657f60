// SPDX-License-Identifier: GPL-2.0
/*
 * Races: each round has one of the allowed outcomes, and each test runs as many
 * rounds as fit into its time.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "ashmem_test.h"
#include "harness.h"

#define SECONDS		2
#define ROUNDS		10
#define MAPPERS		4
#define BIG		8

/* On a slow machine it takes longer until there were enough rounds. */
static bool time_is_up(time_t start, int rounds)
{
	time_t passed = time(NULL) - start;

	return passed > SECONDS && (rounds > ROUNDS || passed > 10 * SECONDS * slowness());
}

/* What the threads or processes of a round have in common. */
struct round {
	atomic_int waiting;
	int parties;
	/* Ends a thread that works until it is told to stop. */
	atomic_bool stop;
	int fd;
	size_t page;
	/* Answers, by thread. */
	long ret[MAPPERS];
	char *p[MAPPERS];
	unsigned long inode[MAPPERS];
};

/* Meet at the start: nobody sleeps, so that all leave at once. */
static void meet(struct round *r)
{
	atomic_fetch_add(&r->waiting, 1);
	while (atomic_load(&r->waiting) < r->parties)
		;
}

struct party {
	struct round *round;
	int number;
};

static void *map_first(void *arg)
{
	struct party *party = arg;
	struct round *r = party->round;
	int i = party->number;

	meet(r);
	r->ret[i] = map(r->fd, BIG * r->page, PROT_RW, MAP_SHARED, &r->p[i]);
	if (!r->ret[i])
		r->inode[i] = file_id(r->fd);
	return NULL;
}

/* Whoever comes first creates the file: all others must get the same one. */
TEST(first_mmaps_by_threads)
{
	time_t start = time(NULL);
	int rounds = 0;

	while (!time_is_up(start, rounds)) {
		struct round r = { .parties = MAPPERS, .page = page_size() };
		struct party party[MAPPERS];
		pthread_t thread[MAPPERS];
		struct maps_line line;

		r.fd = region("first", BIG * r.page);
		ASSERT_LE(0, r.fd);
		for (int i = 0; i < MAPPERS; i++) {
			party[i] = (struct party) { &r, i };
			ASSERT_EQ(0, pthread_create(&thread[i], NULL, map_first,
						    &party[i]));
		}
		for (int i = 0; i < MAPPERS; i++)
			pthread_join(thread[i], NULL);
		for (int i = 0; i < MAPPERS; i++) {
			ASSERT_EQ(0, r.ret[i]);
			ASSERT_NE(0, r.inode[i]);
			ASSERT_EQ(r.inode[0], r.inode[i]);
			ASSERT_TRUE(maps_find(0, r.p[i], &line));
			ASSERT_EQ(r.inode[0], line.inode);
			r.p[i][i] = 'a' + i;
		}
		ASSERT_EQ(0, memcmp(r.p[0], "abcd", MAPPERS));
		for (int i = 1; i < MAPPERS; i++) {
			ASSERT_EQ(0, memcmp(r.p[0], r.p[i], r.page));
			munmap(r.p[i], BIG * r.page);
		}
		munmap(r.p[0], BIG * r.page);
		close(r.fd);
		rounds++;
	}
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

/* The same by processes, which have no mmap_lock in common. */
TEST(first_mmaps_by_processes)
{
	time_t start = time(NULL);
	struct round *r;
	int rounds = 0;

	ASSERT_EQ(0, map(-1, sizeof(*r), PROT_RW, MAP_SHARED | MAP_ANONYMOUS,
			 (char **)&r));
	while (!time_is_up(start, rounds)) {
		pid_t pid[MAPPERS];
		char *p;

		*r = (struct round) { .parties = MAPPERS };
		r->page = page_size();
		r->fd = region("first", BIG * r->page);
		ASSERT_LE(0, r->fd);
		for (int i = 0; i < MAPPERS; i++) {
			pid[i] = fork();
			ASSERT_LE(0, pid[i]);
			if (!pid[i]) {
				struct party party = { r, i };

				map_first(&party);
				if (!r->ret[i])
					r->p[i][i] = 'a' + i;
				_exit(0);
			}
		}
		for (int i = 0; i < MAPPERS; i++) {
			waitpid(pid[i], NULL, 0);
			ASSERT_EQ(0, r->ret[i]);
			ASSERT_NE(0, r->inode[i]);
			ASSERT_EQ(r->inode[0], r->inode[i]);
		}
		ASSERT_EQ(0, map(r->fd, r->page, PROT_READ, MAP_SHARED, &p));
		ASSERT_EQ(0, memcmp(p, "abcd", MAPPERS));
		munmap(p, r->page);
		close(r->fd);
		rounds++;
	}
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

static void *resize(void *arg)
{
	struct round *r = arg;

	meet(r);
	/* Until it is frozen. */
	while (!set_size(r->fd, r->page) && !set_size(r->fd, BIG * r->page))
		;
	return NULL;
}

/*
 * CVE-2017-13216: a size that changes between its check and the mapping. Of
 * each mapping that succeeds every page must be there.
 */
TEST(set_size_against_mmap)
{
	time_t start = time(NULL);
	int rounds = 0, refused = 0;

	while (!time_is_up(start, rounds)) {
		struct round r = { .parties = 2, .page = page_size() };
		size_t len = BIG * r.page, size;
		pthread_t thread;
		long ret;
		char *p;

		r.fd = region("size", len);
		ASSERT_LE(0, r.fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, resize, &r));
		meet(&r);
		do {
			ret = map(r.fd, len, PROT_RW, MAP_SHARED, &p);
			refused += ret != 0;
		} while (ret == -EINVAL);
		ASSERT_EQ(0, ret);
		size = get_size(r.fd);
		pthread_join(thread, NULL);
		ASSERT_EQ(len, size);
		ASSERT_EQ(size, get_size(r.fd));
		for (size_t i = 0; i < len; i += r.page)
			ASSERT_EQ(0, touch_write(p + i, 1));
		ASSERT_EQ((off_t)len, lseek(r.fd, 0, SEEK_END));
		munmap(p, len);
		close(r.fd);
		rounds++;
	}
	TH_LOG("%d rounds, refused %d times", rounds, refused);
	EXPECT_LT(ROUNDS, rounds);
}

static const char name_a[] = "a name", name_b[] = "another name, longer";

/* What it is renamed to, again and again. */
static const char *const renamed[] = { name_b, "", name_a };

static void *rename_it(void *arg)
{
	struct round *r = arg;

	meet(r);
	for (int i = 0; !set_name(r->fd, renamed[i]); i = (i + 1) % 3)
		r->ret[0] = i + 1;
	return NULL;
}

/* What maps shows is the name that stuck: the last one that could be set. */
TEST(set_name_against_mmap)
{
	time_t start = time(NULL);
	int rounds = 0;

	while (!time_is_up(start, rounds)) {
		struct round r = { .parties = 2, .page = page_size() };
		char name[ASHMEM_NAME_LEN], want[ASHMEM_NAME_LEN + 32];
		struct maps_line line;
		const char *last;
		pthread_t thread;
		bool unset;
		char *p;

		r.fd = region(name_a, r.page);
		ASSERT_LE(0, r.fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, rename_it, &r));
		meet(&r);
		/* Later in some rounds than in others. */
		for (int i = 0; i < rounds % 7; i++)
			get_size(r.fd);
		ASSERT_EQ(0, map(r.fd, r.page, PROT_RW, MAP_SHARED, &p));
		ASSERT_EQ(0, get_name(r.fd, name));
		ASSERT_TRUE(maps_find(0, p, &line));
		pthread_join(thread, NULL);
		last = r.ret[0] ? renamed[r.ret[0] - 1] : name_a;
		unset = !*last;
		ASSERT_STREQ(unset ? ASHMEM_NAME_DEF : last, name);
		snprintf(want, sizeof(want), "/dev/ashmem%s%s (deleted)",
			 unset ? "" : "/", unset ? "" : name);
		ASSERT_STREQ(want, line.path);
		ASSERT_EQ(0, get_name(r.fd, want));
		ASSERT_STREQ(name, want);
		munmap(p, r.page);
		close(r.fd);
		rounds++;
	}
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

static void *rename_for_readers(void *arg)
{
	struct round *r = arg;

	meet(r);
	while (!r->stop) {
		set_name(r->fd, name_a);
		set_name(r->fd, name_b);
	}
	return NULL;
}

/* A name that is being set is never seen in part. */
TEST(set_name_against_get_name)
{
	struct round r = { .parties = 2, .fd = region_open() };
	char name[ASHMEM_NAME_LEN];
	time_t start = time(NULL);
	pthread_t thread;

	ASSERT_EQ(0, set_name(r.fd, name_a));
	ASSERT_EQ(0, pthread_create(&thread, NULL, rename_for_readers, &r));
	meet(&r);
	while (!time_is_up(start, ROUNDS + 1)) {
		ASSERT_EQ(0, get_name(r.fd, name));
		ASSERT_TRUE(!strcmp(name, name_a) || !strcmp(name, name_b))
			TH_LOG("name '%s'", name);
		ASSERT_TRUE(fdinfo_line(r.fd, "name:\t", name, sizeof(name)));
		ASSERT_TRUE(!strcmp(name, name_a) || !strcmp(name, name_b))
			TH_LOG("name in fdinfo '%s'", name);
	}
	r.stop = true;
	pthread_join(thread, NULL);
}

static void *lower_the_mask(void *arg)
{
	struct round *r = arg;

	meet(r);
	set_mask(r->fd, PROT_READ);
	return NULL;
}

/* Allowed or not; but once the mask is lower, it is not. */
TEST(set_prot_mask_against_mmap)
{
	time_t start = time(NULL);
	int rounds = 0, allowed = 0;

	while (!time_is_up(start, rounds)) {
		struct round r = { .parties = 2, .page = page_size() };
		pthread_t thread;
		long ret;

		r.fd = region("mask", r.page);
		ASSERT_LE(0, r.fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, lower_the_mask, &r));
		meet(&r);
		ret = try_map(r.fd, r.page, PROT_RW, MAP_SHARED);
		ASSERT_TRUE(ret == 0 || ret == -EPERM);
		allowed += !ret;
		pthread_join(thread, NULL);
		ASSERT_EQ(-EPERM, try_map(r.fd, r.page, PROT_RW, MAP_SHARED));
		ASSERT_EQ(PROT_READ, get_mask(r.fd));
		close(r.fd);
		rounds++;
	}
	TH_LOG("%d rounds, %d allowed", rounds, allowed);
	EXPECT_LT(ROUNDS, rounds);
}

#define LOWERED		200

/* One lowers the mask of each region to what it may read, the other one less far. */
static void *lower_all(void *arg)
{
	struct party *party = arg;
	int i = party->number;

	for (struct round *r = party->round; r < party->round + LOWERED; r++) {
		meet(r);
		r->ret[i] = set_mask(r->fd, i ? PROT_RW : PROT_READ);
	}
	return NULL;
}

/* Neither brings back what the other one has taken. */
TEST(set_prot_mask_against_set_prot_mask)
{
	struct round *rounds = calloc(LOWERED, sizeof(*rounds));
	struct party parties[2] = { { rounds, 0 }, { rounds, 1 } };
	time_t start = time(NULL);
	long refused = 0;

	ASSERT_NE(NULL, rounds);
	while (!time_is_up(start, ROUNDS + 1)) {
		pthread_t thread;

		for (int i = 0; i < LOWERED; i++) {
			rounds[i] = (struct round){ .parties = 2,
						    .fd = region_open() };
			ASSERT_LE(0, rounds[i].fd);
		}
		ASSERT_EQ(0, pthread_create(&thread, NULL, lower_all, &parties[0]));
		lower_all(&parties[1]);
		pthread_join(thread, NULL);
		for (int i = 0; i < LOWERED; i++) {
			long ret = rounds[i].ret[1];

			ASSERT_EQ(0, rounds[i].ret[0]);
			ASSERT_TRUE(ret == 0 || ret == -EINVAL);
			ASSERT_EQ(PROT_READ, get_mask(rounds[i].fd));
			refused += !!ret;
			close(rounds[i].fd);
		}
	}
	TH_LOG("%ld refused", refused);
	free(rounds);
}

#define SKIP_WATCH	"/sys/module/kcsan/parameters/skip_watch"
/* KCSAN watches one of so many accesses here; else that is one of some thousand. */
#define SKIPPED		"40"

/* For races of single accesses: where the kernel has KCSAN, it looks at more of them. */
FIXTURE(watched) {
	char skipped[32];
};

FIXTURE_SETUP(watched)
{
	if (file_line(SKIP_WATCH, "", self->skipped, sizeof(self->skipped)))
		ASSERT_EQ(0, write_text(SKIP_WATCH, SKIPPED));
}

FIXTURE_TEARDOWN(watched)
{
	if (*self->skipped)
		EXPECT_EQ(0, write_text(SKIP_WATCH, self->skipped));
}

#define ASKED		100

static const int falling[] = { PROT_RWX, PROT_RW, PROT_READ };

/* Sets each mask over and over: what changes nothing is a write all the same. */
static void *lower_step_by_step(void *arg)
{
	struct round *r = arg;

	meet(r);
	for (size_t i = 0; i < ARRAY_SIZE(falling); i++)
		for (int n = 0; n < ASKED; n++)
			r->ret[0] |= set_mask(r->fd, falling[i]);
	r->stop = true;
	return NULL;
}

/* Whoever looks sees the mask fall, and never anything else. */
TEST_F(watched, get_prot_mask_against_set_prot_mask)
{
	time_t start = time(NULL);
	int rounds = 0;

	while (!time_is_up(start, rounds)) {
		struct round r = { .parties = 2, .fd = region_open() };
		pthread_t thread;
		long seen = falling[0];

		ASSERT_LE(0, r.fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, lower_step_by_step, &r));
		meet(&r);
		while (!r.stop) {
			long mask = get_mask(r.fd);

			ASSERT_TRUE(mask == seen || mask == PROT_RW || mask == PROT_READ);
			ASSERT_EQ(mask, mask & seen);
			seen = mask;
		}
		pthread_join(thread, NULL);
		ASSERT_EQ(0, r.ret[0]);
		ASSERT_EQ(PROT_READ, get_mask(r.fd));
		close(r.fd);
		rounds++;
	}
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

static void *close_it(void *arg)
{
	struct round *r = arg;

	meet(r);
	close(r->fd);
	return NULL;
}

/* In one process: the descriptor is there, or it is not. */
TEST(close_against_mmap)
{
	time_t start = time(NULL);
	int rounds = 0, late = 0;

	while (!time_is_up(start, rounds)) {
		struct round r = { .parties = 2, .page = page_size() };
		pthread_t thread;
		long ret;
		char *p;

		r.fd = region("close", r.page);
		ASSERT_LE(0, r.fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, close_it, &r));
		meet(&r);
		ret = map(r.fd, r.page, PROT_RW, MAP_SHARED, &p);
		pthread_join(thread, NULL);
		ASSERT_TRUE(ret == 0 || ret == -EBADF);
		if (!ret) {
			fill(p, r.page, rounds);
			ASSERT_TRUE(is_filled(p, r.page, rounds));
			munmap(p, r.page);
		} else {
			late++;
		}
		rounds++;
	}
	TH_LOG("%d rounds, %d closed first", rounds, late);
	EXPECT_LT(ROUNDS, rounds);
}

/* In another process, whose descriptor is its own: always there. */
TEST(close_against_mmap_of_another_process)
{
	time_t start = time(NULL);
	struct round *r;
	int rounds = 0;

	ASSERT_EQ(0, map(-1, sizeof(*r), PROT_RW, MAP_SHARED | MAP_ANONYMOUS,
			 (char **)&r));
	while (!time_is_up(start, rounds)) {
		pid_t pid;

		*r = (struct round) { .parties = 2, .page = page_size() };
		r->fd = region("close", r->page);
		ASSERT_LE(0, r->fd);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char *p;

			meet(r);
			r->ret[0] = map(r->fd, r->page, PROT_RW, MAP_SHARED,
					&p);
			if (!r->ret[0]) {
				fill(p, r->page, rounds);
				close(r->fd);
				r->ret[1] = is_filled(p, r->page, rounds);
			}
			_exit(0);
		}
		meet(r);
		close(r->fd);
		waitpid(pid, NULL, 0);
		ASSERT_EQ(0, r->ret[0]);
		ASSERT_EQ(1, r->ret[1]);
		rounds++;
	}
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

/* Children that map, write, open and die, some of them half way. */
TEST(fork_storm)
{
	size_t page = page_size(), len = BIG * page;
	int fd = region("storm", len), rounds = 0, counter;
	time_t start = time(NULL);
	char *p, *q;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
	while (!time_is_up(start, rounds)) {
		pid_t pid[MAPPERS];

		for (int i = 0; i < MAPPERS; i++) {
			pid[i] = fork();
			ASSERT_LE(0, pid[i]);
			if (pid[i])
				continue;
			if (i == 3)
				kill(getpid(), SIGKILL);
			if (map(fd, len, PROT_RW, MAP_SHARED, &q))
				_exit(1);
			atomic_fetch_add((atomic_int *)q + i, 1);
			if (i == 2)
				kill(getpid(), SIGKILL);
			if (region("child", page) < 0)
				_exit(1);
			_exit(munmap(p, len) ? 1 : 0);
		}
		for (int i = 0; i < MAPPERS; i++) {
			int status;

			ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
			ASSERT_TRUE(i >= 2 ? WIFSIGNALED(status) :
				    WIFEXITED(status) && !WEXITSTATUS(status));
		}
		rounds++;
	}
	for (int i = 0; i < MAPPERS; i++) {
		counter = ((int *)p)[i];
		EXPECT_EQ(i < 3 ? rounds : 0, counter);
	}
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

static void *read_at_the_position(void *arg)
{
	struct round *r = arg;
	char byte;

	meet(r);
	while (!r->stop) {
		pread(r->fd, &byte, 1, 0);
		read(r->fd, &byte, 1);
		lseek(r->fd, 0, SEEK_SET);
		lseek(r->fd, 0, SEEK_DATA);
	}
	return NULL;
}

/* Reading and seeking beside mapping and freeing pages: nothing hangs. */
TEST(read_against_mmap_and_remove)
{
	struct round r = { .parties = 2, .page = page_size() };
	time_t start = time(NULL);
	pthread_t thread;
	int rounds = 0;
	char *p;

	r.fd = region("read", BIG * r.page);
	ASSERT_LE(0, r.fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_at_the_position, &r));
	meet(&r);
	while (!time_is_up(start, rounds)) {
		ASSERT_EQ(0, map(r.fd, BIG * r.page, PROT_RW, MAP_SHARED, &p));
		fill(p, BIG * r.page, rounds);
		ASSERT_TRUE(is_filled(p, BIG * r.page, rounds));
		ASSERT_EQ(0, madvise(p, BIG * r.page, MADV_REMOVE));
		ASSERT_TRUE(is_all(p, BIG * r.page, 0));
		munmap(p, BIG * r.page);
		rounds++;
	}
	r.stop = true;
	pthread_join(thread, NULL);
	TH_LOG("%d rounds", rounds);
	EXPECT_LT(ROUNDS, rounds);
}

TEST_HARNESS_MAIN
