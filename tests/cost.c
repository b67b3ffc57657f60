// SPDX-License-Identifier: GPL-2.0
/* What something costs, in instructions: see cost.h. */

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ashmem_test.h"
#include "cost.h"

/* The clock source is changed some seconds after boot. */
#define SETTLED		8

long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long million(void)
{
	long start = now();

	for (int i = 0; i < 1000; i++)
		asm volatile(".rept 1000\n\tnop\n\t.endr");
	return now() - start;
}

/* The least of some: what else the kernel has to do falls into one or the other. */
long settle(void)
{
	long least = 0;

	while (now() < SETTLED * 1000000000L)
		sleep(1);
	for (int i = 0; i < 10; i++) {
		long passed = million();

		least = i && least < passed ? least : passed;
	}
	return least;
}

bool agree(long first, long second)
{
	return first && second && first >= 20 * labs(first - second);
}

unsigned int number(unsigned int *seed, unsigned int below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

long slab_bytes(void)
{
	long objects, size, sum = 0;
	char line[512];
	FILE *f = fopen("/proc/slabinfo", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*d %ld %ld", &objects, &size) == 2)
			sum += objects * size;
	fclose(f);
	return sum;
}

bool open_bench(struct bench *b, unsigned int ranges)
{
	*b = (struct bench) { .ranges = ranges, .page = page_size() };
	b->len = (2UL * ranges + 2) * b->page;
	b->fd = region("cost", b->len);
	b->order = malloc((ranges + 1) * sizeof(*b->order));
	for (unsigned int i = 0; b->order && i < ranges; i++)
		b->order[i] = i;
	return b->fd >= 0 && b->order &&
	       !map(b->fd, b->len, PROT_RW, MAP_SHARED | MAP_NORESERVE, &b->p);
}

void close_bench(struct bench *b)
{
	munmap(b->p, b->len);
	close(b->fd);
	free(b->order);
}

void shuffle(struct bench *b)
{
	for (unsigned int i = b->ranges; i > 1; i--) {
		unsigned int j = number(&b->seed, i), other = b->order[j];

		b->order[j] = b->order[i - 1];
		b->order[i - 1] = other;
	}
}

void reverse(struct bench *b)
{
	for (unsigned int i = 0; i < b->ranges; i++)
		b->order[i] = b->ranges - 1 - i;
}

size_t offset_of_range(struct bench *b, unsigned int i)
{
	return (2UL * i + 1) * b->page;
}

bool unpin_all(struct bench *b)
{
	for (unsigned int i = 0; i < b->ranges; i++)
		if (unpin(b->fd, offset_of_range(b, b->order[i]), b->page))
			return false;
	return true;
}

bool pin_all(struct bench *b)
{
	return pin(b->fd, 0, 0) == ASHMEM_NOT_PURGED;
}

/* A range more and away again, at a random place between the others. */
bool unpin_and_pin(struct bench *b)
{
	size_t at = 2UL * number(&b->seed, b->ranges + 1) * b->page;

	return !unpin(b->fd, at, b->page) &&
	       pin(b->fd, at, b->page) == ASHMEM_NOT_PURGED;
}

/* A random one of the ranges away and there again. */
bool pin_and_unpin(struct bench *b)
{
	size_t at = offset_of_range(b, number(&b->seed, b->ranges));

	return pin(b->fd, at, b->page) == ASHMEM_NOT_PURGED &&
	       !unpin(b->fd, at, b->page);
}

/* Of any page. */
bool ask_status(struct bench *b)
{
	unsigned int i = number(&b->seed, 2 * b->ranges + 2);

	return pin_status(b->fd, i * b->page, b->page) >= 0;
}

bool ask_size(struct bench *b)
{
	return get_size(b->fd) == b->len;
}

bool call_getppid(struct bench *b)
{
	return syscall(SYS_getppid) > 0 && b;
}

void touch_ranges(struct bench *b)
{
	for (unsigned int i = 0; i < b->ranges; i++)
		b->p[offset_of_range(b, i)] = 1;
}

bool punch(int fd, off_t at, off_t len)
{
	return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			  len);
}

long measure(struct bench *b, bool (*op)(struct bench *b), int times)
{
	long start = now();

	for (int i = 0; i < times; i++)
		if (!op(b))
			return 0;
	return (now() - start) / times;
}
