/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What something costs, in instructions: for a guest whose clock counts them, one
 * each nanosecond. Nothing is subtracted: the system call and the loop around it
 * are part of a figure.
 */
#ifndef COST_H
#define COST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Nanoseconds, or instructions, since boot. */
long now(void);

/* Wait until the clock can be relied on: what it says that a million instructions take. */
long settle(void);

/* Do two measurements agree within 5 %? */
bool agree(long first, long second);

/* A number below @below that is the same in every run. */
unsigned int number(unsigned int *seed, unsigned int below);

/* The memory of all slab caches, in bytes; -1 if it cannot be read. */
long slab_bytes(void);

/*
 * A region, with its mapping, in which every second page is a range; the first
 * page and the last one are none.
 */
struct bench {
	int fd;
	char *p;
	size_t len;
	size_t page;
	unsigned int ranges;
	unsigned int seed;
	/* The places of ranges, in the order in which they are unpinned. */
	unsigned int *order;
};

bool open_bench(struct bench *b, unsigned int ranges);
void close_bench(struct bench *b);

/* Change the order of the ranges. */
void shuffle(struct bench *b);
void reverse(struct bench *b);

size_t offset_of_range(struct bench *b, unsigned int i);

/* Operations: true if they succeed. */
bool unpin_all(struct bench *b);
bool pin_all(struct bench *b);
bool unpin_and_pin(struct bench *b);
bool pin_and_unpin(struct bench *b);
bool ask_status(struct bench *b);
bool ask_size(struct bench *b);
bool call_getppid(struct bench *b);

/* Have memory under every range. */
void touch_ranges(struct bench *b);

/* Take the memory of a part of a memfd. */
bool punch(int fd, off_t at, off_t len);

/* Instructions for one of so many operations; 0 if one of them failed. */
long measure(struct bench *b, bool (*op)(struct bench *b), int times);

#endif /* COST_H */
