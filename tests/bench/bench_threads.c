// SPDX-License-Identifier: GPL-2.0
/*
 * What others cost: how much slower a thread or a process is because of what the
 * others do, each on a region of its own. It is compared with others who only
 * compute, on as many CPUs, so that how many there are makes no difference. Where
 * all do the same, what all of them do counts, for each CPU that they have.
 */

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ashmem_test.h"
#include "bench.h"
#include "scene.h"

/*
 * How long both are measured, in turns, in microseconds; how often at least; how far the
 * repetitions may be apart for that to be enough; and after how many seconds it has to be.
 */
#define SLICE		50000
#define LEAST_ROUNDS	20
#define STEADY		0.05
#define MOST_SECONDS	24

/* The most that work at a time. */
#define WORKERS		4

/* What a neighbour has. */
#define RANGES		10000
#define PURGED		1000

/* Something to do over and over. */
struct work {
	bool (*begin)(struct bench *b);
	bool (*op)(struct bench *b);
};

struct contest {
	const char *name;
	const char *subject;
	const struct work *victim;
	const struct work *neighbour;
	unsigned int neighbours;
	bool threads;
};

/* What the workers share, processes, too. */
static struct {
	atomic_uint ready;
	atomic_bool go;
	atomic_bool stop;
	atomic_bool failed;
	/* What those have done who count. */
	atomic_ulong done;
} *shared;

static bool op_spin(struct bench *b)
{
	for (int i = 0; i < 1000; i++)
		number(&b->seed, 2);
	return true;
}

/* Its page may be purged by others meanwhile. */
static bool op_unpin_and_pin(struct bench *b)
{
	return !unpin(b->fd, 0, b->page) && pin(b->fd, 0, b->page) >= 0;
}

static bool begin_ranges(struct bench *b)
{
	b->order = NULL;
	if (!open_bench(b, RANGES))
		return false;
	shuffle(b);
	return unpin_all(b);
}

static bool begin_purges(struct bench *b)
{
	return scene(b, true, PURGED);
}

static void touch_all(struct bench *b)
{
	for (size_t at = 0; at < b->len; at += b->page)
		write_byte(b->p + at);
}

static bool op_purges(struct bench *b)
{
	touch_all(b);
	return !unpin(b->fd, 0, 0) && ash_ioctl(b->fd, ASHMEM_PURGE_ALL_CACHES, 0) >= 0 &&
	       pin(b->fd, 0, 0) == ASHMEM_WAS_PURGED;
}

static bool begin_punches(struct bench *b)
{
	return scene(b, false, PURGED);
}

static bool op_punches(struct bench *b)
{
	touch_all(b);
	return punch(b->fd, 0, b->len);
}

static const struct work spins = { begin_nothing, op_spin };
static const struct work pair = { begin_ashmem, op_unpin_and_pin };
static const struct work life = { begin_nothing, op_live_ashmem };
static const struct work life_memfd = { begin_nothing, op_live_memfd };
static const struct work reads = { begin_ashmem, op_read };
static const struct work reads_memfd = { begin_memfd, op_read };
static const struct work pins = { begin_ranges, unpin_and_pin };
static const struct work purges = { begin_purges, op_purges };
static const struct work punches = { begin_punches, op_punches };

static void run(const struct work *work, bool counts)
{
	struct bench b = { .fd = -1 };
	unsigned long done = 0;

	if (!work->begin(&b))
		atomic_store(&shared->failed, true);
	atomic_fetch_add(&shared->ready, 1);
	while (!atomic_load(&shared->go))
		usleep(1000);
	while (!atomic_load(&shared->failed) && !atomic_load(&shared->stop)) {
		if (!work->op(&b))
			atomic_store(&shared->failed, true);
		done++;
	}
	if (counts)
		atomic_fetch_add(&shared->done, done);
	end(&b);
}

static void *run_counted(void *work)
{
	run(work, true);
	return NULL;
}

static void *run_uncounted(void *work)
{
	run(work, false);
	return NULL;
}

/* A worker: a thread, or a process. */
union worker {
	pthread_t thread;
	pid_t pid;
};

static bool start(union worker *w, bool is_thread, const struct work *work, bool counts)
{
	void *(*what)(void *work) = counts ? run_counted : run_uncounted;

	if (is_thread)
		return !pthread_create(&w->thread, NULL, what, (void *)work);
	w->pid = fork();
	if (!w->pid) {
		what((void *)work);
		_exit(0);
	}
	return w->pid > 0;
}

static bool wait_for(union worker *w, bool is_thread)
{
	int status;

	if (is_thread)
		return !pthread_join(w->thread, NULL);
	return waitpid(w->pid, &status, 0) == w->pid && !status;
}

/* The CPUs that a contest keeps busy. */
static unsigned int cpus(const struct contest *c)
{
	unsigned int all = sysconf(_SC_NPROCESSORS_ONLN), workers = 1 + c->neighbours;

	return workers < all ? workers : all;
}

/*
 * What the victim, and those who do the same, do in a second beside such neighbours,
 * which is nothing if they do not get to run; -1 if something failed.
 */
static double speed(const struct contest *c, const struct work *neighbour,
		    unsigned int neighbours)
{
	union worker workers[WORKERS];
	unsigned int started = 0;
	bool good = true;
	long began;

	atomic_store(&shared->ready, 0);
	atomic_store(&shared->go, false);
	atomic_store(&shared->stop, false);
	atomic_store(&shared->failed, false);
	atomic_store(&shared->done, 0);
	while (good && started < 1 + neighbours) {
		const struct work *work = started ? neighbour : c->victim;

		good = start(&workers[started], c->threads, work, work == c->victim);
		started += good;
	}
	while (good && atomic_load(&shared->ready) < started)
		usleep(1000);
	began = now();
	atomic_store(&shared->go, true);
	usleep(SLICE);
	atomic_store(&shared->stop, true);
	began = now() - began;
	while (started)
		good = wait_for(&workers[--started], c->threads) && good;
	if (!good || atomic_load(&shared->failed))
		return -1;
	return 1e9 * atomic_load(&shared->done) / began;
}

static double best(double a, double b)
{
	return a > b ? a : b;
}

/* How far two best speeds are apart. */
static double apart(const double speed[2])
{
	return best(speed[0], speed[1]) > 0 ?
	       fabs(speed[0] - speed[1]) / best(speed[0], speed[1]) : 1;
}

/*
 * Whatever else the machine does makes everything slower: the best speeds are
 * compared. How far those of every second round are apart says what that is worth.
 */
static bool measure_contest(const struct contest *c)
{
	double alone[2] = {}, among[2] = {}, noise = 1;
	long end = now() + MOST_SECONDS * 1000000000L;
	int i;

	for (i = 0; i < LEAST_ROUNDS || (noise > STEADY && now() < end); i++) {
		double without = speed(c, &spins, cpus(c) - 1);
		double with = speed(c, c->neighbour, c->neighbours);

		if (without < 0 || with < 0) {
			printf("# %s %s: an operation failed\n", c->name, c->subject);
			return false;
		}
		if (c->neighbour == c->victim)
			with /= cpus(c);
		alone[i % 2] = best(alone[i % 2], without);
		among[i % 2] = best(among[i % 2], with);
		noise = best(apart(alone), apart(among));
	}
	if (best(alone[0], alone[1]) <= 0 || best(among[0], among[1]) <= 0) {
		printf("# %s %s: the victim never ran\n", c->name, c->subject);
		return false;
	}
	report(c->name, c->subject, "ratio", best(alone[0], alone[1]) / best(among[0], among[1]),
	       i);
	printf("# noise: %s %s %.3f\n", c->name, c->subject, noise);
	return true;
}

/* All of them do the same, as threads and as processes. */
static const struct {
	const char *name;
	const char *subject;
	const struct work *work;
} same[] = {
	{ "life", "ashmem", &life },
	{ "life", "memfd", &life_memfd },
	{ "read", "ashmem", &reads },
	{ "read", "memfd", &reads_memfd },
	{ "unpin+pin", "ashmem", &pair },
};

static const struct {
	unsigned int workers;
	bool threads;
	const char *name;
} kinds[] = {
	{ 2, true, "2-threads" },
	{ WORKERS, true, "4-threads" },
	{ 2, false, "2-processes" },
	{ WORKERS, false, "4-processes" },
};

/* The neighbours do something else. */
static const struct contest victims[] = {
	{ "victim/pins", "ashmem", &pair, &pins, 1, false },
	{ "victim/purges", "ashmem", &pair, &purges, 1, false },
	{ "victim-life/purges", "ashmem", &life, &purges, 1, false },
	{ "victim-life/purges", "memfd", &life_memfd, &punches, 1, false },
};

static void contest(const struct contest *c)
{
	passed(measure_contest(c), c->name, c->subject);
}

int main(void)
{
	char *p;

	if (map(-1, page_size(), PROT_RW, MAP_SHARED | MAP_ANONYMOUS, &p)) {
		perror("mmap");
		return 1;
	}
	shared = (void *)p;
	begin_report(NULL, 0, COUNT(same) * COUNT(kinds) + COUNT(victims));
	for (unsigned int i = 0; i < COUNT(same); i++) {
		for (unsigned int k = 0; k < COUNT(kinds); k++) {
			struct contest c = {
				.subject = same[i].subject,
				.victim = same[i].work,
				.neighbour = same[i].work,
				.neighbours = kinds[k].workers - 1,
				.threads = kinds[k].threads,
			};
			char name[64];

			snprintf(name, sizeof(name), "%s/%s", same[i].name, kinds[k].name);
			c.name = name;
			contest(&c);
		}
	}
	for (unsigned int i = 0; i < COUNT(victims); i++)
		contest(&victims[i]);
	end_report(NULL, 0);
}
