// SPDX-License-Identifier: GPL-2.0
/*
 * Races of a purge that is under way with all that may come meanwhile. Each
 * test goes on as long as its time lasts.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "ashmem_test.h"
#include "harness.h"

/* What shall happen at least, while there is time: a slow machine takes long for it. */
#define PURGES		(5 + 20 / slowness())

#define SECONDS		3
/* A purge of so many pages takes a while, and goes piece by piece: where all is slow, fewer do. */
#define PAGES		(slowness() > 1 ? 1500 : 3000)

/* The fixture, as the harness calls it. */
#define race	_test_data_purged

FIXTURE(purged) {
	size_t page;
	size_t len;
	int fd;
	char *p;
	time_t start;
	pthread_t purger[2];
	atomic_bool stop;
	/* The ranges that had been purged before. */
	long before;
};

static void *purge_without_end(void *arg)
{
	struct race *self = arg;

	while (!self->stop)
		purge_all();
	return NULL;
}

static void *drop_without_end(void *arg)
{
	struct race *self = arg;

	while (!self->stop)
		drop_slab();
	return NULL;
}

FIXTURE_SETUP(purged)
{
	self->page = page_size();
	self->len = PAGES * self->page;
	self->fd = region("race", self->len);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, MAP_SHARED, &self->p));
	memset(self->p, 'x', self->len);
	ASSERT_EQ(0, pthread_create(&self->purger[0], NULL, purge_without_end,
				    self));
	ASSERT_EQ(0, pthread_create(&self->purger[1], NULL, drop_without_end,
				    self));
	self->start = time(NULL);
	self->before = total("purged_ranges");
	ASSERT_LE(0, self->before);
}

/* How many ranges have been purged meanwhile, by whoever it was. */
static long purges(struct race *self)
{
	return total("purged_ranges") - self->before;
}

FIXTURE_TEARDOWN(purged)
{
	self->stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(self->purger[i], NULL);
	/* They have met at all. */
	EXPECT_LT(5, purges(self));
	munmap(self->p, self->len);
	close(self->fd);
}

/*
 * On a slow machine it takes longer until they have met often enough, and until a test
 * has seen enough of what it looks for.
 */
static bool time_is_left(struct race *self, bool has_seen)
{
	time_t passed = time(NULL) - self->start;

	return passed <= SECONDS ||
	       ((!has_seen || purges(self) <= PURGES) &&
		passed <= 30 * SECONDS * slowness());
}

/* For a purge to begin, and to be somewhere else in each round. */
static void let_it_begin(int round)
{
	usleep(round % 7 * 200);
}

/* The first bytes of each page; all of them would take too long. */
static void stamp(char *p, size_t page, char c)
{
	for (size_t i = 0; i < PAGES; i++)
		memset(p + i * page, c, 64);
}

static bool is_stamped(const char *p, size_t page, char c)
{
	for (size_t i = 0; i < PAGES; i++) {
		if (!is_all(p + i * page, 64, c))
			return false;
	}
	return true;
}

/* PIN comes back when the purge of the last piece is over, not before. */
TEST_F_TIMEOUT(purged, pin_waits, 120)
{
	int rounds = 0, purged = 0;

	while (time_is_left(self, purged > 10)) {
		char c = 'a' + rounds % 26;
		long ret;

		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		let_it_begin(rounds);
		ret = pin(self->fd, 0, 0);
		ASSERT_LE(0, ret);
		purged += ret;
		stamp(self->p, self->page, c);
		ASSERT_TRUE(is_stamped(self->p, self->page, c));
		sched_yield();
		ASSERT_TRUE(is_stamped(self->p, self->page, c));
		rounds++;
	}
	printf("# %d rounds, purged in %d\n", rounds, purged);
	EXPECT_LT(10, purged);
}

/* A part of a range that is being purged: what is outside it may go. */
TEST_F_TIMEOUT(purged, pin_of_a_part_waits, 120)
{
	const size_t at = PAGES / 3 * self->page, len = 100 * self->page;
	int rounds = 0, purged = 0;

	while (time_is_left(self, purged > 5)) {
		long ret, rest;

		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		let_it_begin(rounds);
		ret = pin(self->fd, at, len);
		ASSERT_LE(0, ret);
		purged += ret;
		memset(self->p + at, 'k', len);
		/* The rest of the purge goes on meanwhile, if there is one. */
		for (int i = 0; i < (ret ? 20 / slowness() : 1); i++) {
			ASSERT_TRUE(is_all(self->p + at, len, 'k'));
			sched_yield();
		}
		rest = pin(self->fd, 0, 0);
		ASSERT_LE(0, rest);
		if (ret || rest)
			stamp(self->p, self->page, 'n');
		rounds++;
	}
	printf("# %d rounds, purged in %d\n", rounds, purged);
	EXPECT_LT(5, purged);
}

/* When close has come back, nothing is taken from the mapping any more. */
TEST_F_TIMEOUT(purged, close_waits, 120)
{
	int rounds = 0;

	while (time_is_left(self, rounds > 5)) {
		char *p;
		int fd = region("closed", self->len);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, map(fd, self->len, PROT_RW, MAP_SHARED, &p));
		stamp(p, self->page, 'x');
		ASSERT_EQ(0, unpin(fd, 0, 0));
		sched_yield();
		close(fd);
		stamp(p, self->page, 'y');
		sched_yield();
		ASSERT_TRUE(is_stamped(p, self->page, 'y'));
		munmap(p, self->len);
		/* More to purge. */
		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		ASSERT_LE(0, pin(self->fd, 0, 0));
		rounds++;
	}
	printf("# %d rounds\n", rounds);
	EXPECT_LT(5, rounds);
}

/* The owner goes, with or without its mapping, or is killed. */
TEST_F_TIMEOUT(purged, owner_dies, 120)
{
	int rounds = 0, status;

	while (time_is_left(self, rounds > 5)) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			char *p;
			int fd = region("dying", self->len);

			if (fd < 0 ||
			    map(fd, self->len, PROT_RW, MAP_SHARED, &p))
				_exit(1);
			stamp(p, self->page, 'x');
			unpin(fd, 0, 0);
			if (rounds % 3 == 0)
				munmap(p, self->len);
			if (rounds % 3 == 1)
				raise(SIGKILL);
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(rounds % 3 == 1 ? SIGKILL : 0, status);
		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		ASSERT_LE(0, pin(self->fd, 0, 0));
		rounds++;
	}
	printf("# %d rounds\n", rounds);
	EXPECT_LT(5, rounds);
}

/* What other threads do to unpinned pages all the time. */
struct user {
	pthread_t thread;
	struct race *self;
	int kind;
	atomic_bool stop;
	long errors;
	long rounds;
};

static void use(struct user *u, size_t at)
{
	struct race *self = u->self;
	char byte;

	switch (u->kind) {
	case 0:
		atomic_store((atomic_char *)(self->p + at), 'u');
		break;
	case 1:
		u->errors += pread(self->fd, &byte, 1, at) != 1;
		break;
	case 2:
		lseek(self->fd, at, SEEK_DATA);
		lseek(self->fd, at, SEEK_HOLE);
		break;
	case 3:
		u->errors += madvise(self->p + at, 8 * self->page,
				     MADV_REMOVE) != 0;
		break;
	case 4:
		u->errors += unpin(self->fd, at, 64 * self->page) != 0;
		break;
	case 5:
		u->errors += pin_status(self->fd, at, self->page) < 0;
		break;
	case 6:
		u->errors += try_map(self->fd, self->len, PROT_RW,
				     MAP_SHARED) != 0;
		break;
	}
}

static void *use_without_end(void *arg)
{
	struct user *u = arg;
	unsigned int seed = u->kind + 1;

	while (!u->stop) {
		seed = seed * 1664525 + 1013904223;
		use(u, (seed >> 8) % (PAGES - 64) * u->self->page);
		u->rounds++;
	}
	return NULL;
}

/* All that uses the pages, at once: and what is pinned afterwards stays. */
TEST_F_TIMEOUT(purged, pages_are_used, 120)
{
	struct user users[7] = {};
	int rounds = 0;

	while (time_is_left(self, rounds > 1)) {
		for (int i = 0; i < 7; i++) {
			users[i].self = self;
			users[i].kind = i;
			users[i].stop = false;
			ASSERT_EQ(0, pthread_create(&users[i].thread, NULL,
						    use_without_end,
						    &users[i]));
		}
		for (int i = 0; i < 5; i++) {
			ASSERT_EQ(0, unpin(self->fd, 0, 0));
			usleep(1000);
			ASSERT_LE(0, pin(self->fd, 0, (PAGES / 2) * self->page));
		}
		for (int i = 0; i < 7; i++) {
			users[i].stop = true;
			pthread_join(users[i].thread, NULL);
			ASSERT_EQ(0, users[i].errors) {
				TH_LOG("user %d", i);
			}
			ASSERT_LT(0, users[i].rounds);
		}
		ASSERT_LE(0, pin(self->fd, 0, 0));
		EXPECT_EQ(0, unpinned_pages(self->fd));
		stamp(self->p, self->page, 's');
		sched_yield();
		ASSERT_TRUE(is_stamped(self->p, self->page, 's'));
		rounds++;
	}
	printf("# %d rounds\n", rounds);
	EXPECT_LT(1, rounds);
}

/* PURGE_ALL_CACHES comes back when all is gone, whoever else has begun with it. */
TEST_F_TIMEOUT(purged, all_waits, 120)
{
	while (time_is_left(self, true)) {
		long ret;

		stamp(self->p, self->page, 'a');
		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		ret = purge_all();
		ASSERT_LE(0, ret);
		ASSERT_TRUE(is_stamped(self->p, self->page, '\0'));
		ASSERT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
	}
}

/* Threads that pin and unpin the same pages: each page is one or the other. */
static void *toggle(void *arg)
{
	struct user *u = arg;
	struct race *self = u->self;
	unsigned int seed = u->kind * 77 + 1;

	while (!u->stop) {
		size_t at, len;

		seed = seed * 1664525 + 1013904223;
		at = (seed >> 8) % 40 * self->page;
		len = (1 + (seed >> 16) % 24) * self->page;
		u->errors += unpin(self->fd, at, len) != 0;
		u->errors += pin(self->fd, at + len / 2 / self->page *
				 self->page, self->page) < 0;
		u->rounds++;
	}
	return NULL;
}

TEST_F_TIMEOUT(purged, same_pages_by_threads, 120)
{
	struct user users[4] = {};
	long count = 0;

	ASSERT_EQ(0, unpin(self->fd, 1000 * self->page, 0));
	for (int i = 0; i < 4; i++) {
		users[i].self = self;
		users[i].kind = i;
		ASSERT_EQ(0, pthread_create(&users[i].thread, NULL, toggle,
					    &users[i]));
	}
	while (time_is_left(self, true)) {
		ASSERT_LE(0, pin(self->fd, 1000 * self->page, 0));
		ASSERT_EQ(0, unpin(self->fd, 1000 * self->page, 0));
	}
	for (int i = 0; i < 4; i++) {
		users[i].stop = true;
		pthread_join(users[i].thread, NULL);
		EXPECT_EQ(0, users[i].errors);
		EXPECT_LT(100, users[i].rounds);
	}
	for (size_t i = 0; i < 1000; i++)
		count += pin_status(self->fd, i * self->page, self->page) ==
			 ASHMEM_IS_UNPINNED;
	EXPECT_EQ(count + PAGES - 1000, unpinned_pages(self->fd));
	EXPECT_LE(0, pin(self->fd, 0, 0));
	EXPECT_EQ(0, unpinned_pages(self->fd));
}

/* The first mmap against those who pin and unpin already. */
struct early {
	int fd;
	atomic_bool go;
	long ret;
};

static void *unpin_early(void *arg)
{
	struct early *e = arg;

	while (!e->go)
		;
	e->ret = unpin(e->fd, 0, 0);
	return NULL;
}

TEST_F_TIMEOUT(purged, first_mmap, 120)
{
	int before = 0, after = 0;

	while (time_is_left(self, after > 0)) {
		struct early e[2] = {};
		pthread_t thread[2];
		int fd = region("early", 8 * self->page);

		for (int i = 0; i < 2; i++) {
			e[i].fd = fd;
			ASSERT_EQ(0, pthread_create(&thread[i], NULL,
						    unpin_early, &e[i]));
		}
		e[0].go = true;
		e[1].go = true;
		ASSERT_EQ(0, try_map(fd, 1, PROT_RW, MAP_SHARED));
		for (int i = 0; i < 2; i++) {
			pthread_join(thread[i], NULL);
			ASSERT_TRUE(e[i].ret == 0 || e[i].ret == -EINVAL);
			before += e[i].ret != 0;
			after += e[i].ret == 0;
		}
		ASSERT_EQ(e[0].ret && e[1].ret ? 0 : 8, unpinned_pages(fd));
		close(fd);
		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		ASSERT_LE(0, pin(self->fd, 0, 0));
	}
	printf("# %d before, %d after\n", before, after);
	EXPECT_LT(0, after);
}

TEST_HARNESS_MAIN
