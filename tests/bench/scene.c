// SPDX-License-Identifier: GPL-2.0
/* Scenes for the benchmarks, and operations that more than one of them has: see scene.h. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ashmem_test.h"
#include "scene.h"

/* A region or a memfd of so many pages, mapped, without ranges. */
bool scene(struct bench *b, bool ours, unsigned int pages)
{
	unsigned int ranges = b->ranges;

	*b = (struct bench) { .ranges = ranges, .page = page_size() };
	b->len = pages * b->page;
	b->fd = ours ? region("bench", b->len) : reference(b->len);
	return b->fd >= 0 && !map(b->fd, b->len, PROT_RW, MAP_SHARED, &b->p);
}

bool begin_ashmem(struct bench *b)
{
	return scene(b, true, SMALL) && memset(b->p, 1, b->len);
}

bool begin_memfd(struct bench *b)
{
	return scene(b, false, SMALL) && memset(b->p, 1, b->len);
}

bool begin_nothing(struct bench *b)
{
	*b = (struct bench) { .fd = -1 };
	return true;
}

void end(struct bench *b)
{
	if (b->p)
		munmap(b->p, b->len);
	if (b->fd >= 0)
		close(b->fd);
	free(b->order);
}

/* An access that the compiler leaves where it is. */
void write_byte(char *p)
{
	__atomic_store_n(p, 1, __ATOMIC_RELAXED);
}

bool live(int fd)
{
	size_t len = page_size();
	char *p;

	if (fd < 0 || map(fd, len, PROT_RW, MAP_SHARED, &p))
		return false;
	write_byte(p);
	return !munmap(p, len) && !close(fd);
}

bool op_live_ashmem(struct bench *b)
{
	return live(region("bench", page_size())) && b;
}

bool op_live_memfd(struct bench *b)
{
	return live(reference(page_size())) && b;
}

bool op_read(struct bench *b)
{
	static _Thread_local char page[65536];

	return pread(b->fd, page, b->page, 0) == (ssize_t)b->page;
}
