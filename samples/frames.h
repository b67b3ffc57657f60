/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two programs of the demonstration agree on: what can be asked for, what
 * stands where in the region, and how each tells the other that it is its turn.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <errno.h>
#include <linux/ashmem.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REGION_NAME	"demo-frames"
/* More than a binder buffer can hold. */
#define REGION_SIZE	(16UL << 20)

/* What the client can ask the server for: each is a file descriptor. */
#define GET_REGION	1
/* A socket, through which all bytes of the region come one by one. */
#define GET_COPY	2

/* A picture of 4 bytes a pixel, drawn anew for each frame. */
#define WIDTH		1280
#define HEIGHT		720
#define FRAMES		60

/* The peer is given up when it has done nothing for so many seconds. */
#define PATIENCE	20

/*
 * The region. Server and client map the same pages, so what one stores the
 * other loads; no byte of a frame goes through the kernel.
 *
 * @drawn:    how many frames the server has drawn; it wakes the client
 * @checked:  how many of them the client has looked at; it wakes the server
 * @checksum: of the frame that was drawn last, by the server
 * @answer:   what the client made of it
 */
struct frames {
	_Atomic uint32_t drawn;
	_Atomic uint32_t checked;
	uint64_t checksum;
	uint64_t answer;
	/* The pixels begin on a page of their own, whatever the page size. */
	uint32_t pixels[HEIGHT][WIDTH] __attribute__((aligned(65536)));
};

_Static_assert(sizeof(struct frames) <= REGION_SIZE, "it fits in the region");

static inline void fail(const char *what)
{
	fprintf(stderr, "FAILED: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Sleeps until @counter has reached @value; a futex works in shared memory. */
static inline void wait_for(_Atomic uint32_t *counter, uint32_t value)
{
	const struct timespec patience = { .tv_sec = PATIENCE };
	uint32_t now;

	while ((now = atomic_load(counter)) < value) {
		if (syscall(SYS_futex, counter, FUTEX_WAIT, now, &patience, NULL, 0) &&
		    errno != EAGAIN && errno != EINTR)
			fail("waiting for the other process");
	}
}

/* Sets @counter, after all that was stored before, and wakes who waits for it. */
static inline void announce(_Atomic uint32_t *counter, uint32_t value)
{
	atomic_store(counter, value);
	syscall(SYS_futex, counter, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A checksum in which the place of each pixel counts. */
static inline uint64_t checksum(const struct frames *frames)
{
	const uint32_t *pixel = &frames->pixels[0][0];
	uint64_t sum = 0, sums = 0;

	for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
		sum += pixel[i];
		sums += sum;
	}
	return sums ^ (sum << 32);
}

/* Prints the lines of a file that hold @what; all of them if it is NULL. */
static inline void show(const char *who, const char *path, const char *what)
{
	FILE *file = fopen(path, "r");
	char line[512];

	if (!file)
		fail(path);
	while (fgets(line, sizeof(line), file)) {
		if (!what || strstr(line, what))
			printf("%s   %s", who, line);
	}
	fclose(file);
}

/* Prints what the kernel tells of this process's mapping and of its descriptor. */
static inline void show_region(const char *who, int fd)
{
	unsigned long inode;
	char path[64];

	if (ioctl(fd, ASHMEM_GET_FILE_ID, &inode))
		fail("asking for the inode");
	printf("%s My descriptor is %d, the inode of the memory behind it %lu.\n", who, fd, inode);

	snprintf(path, sizeof(path), "/proc/%d/maps", getpid());
	printf("%s %s says:\n", who, path);
	show(who, path, REGION_NAME);
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(), fd);
	printf("%s %s says:\n", who, path);
	show(who, path, NULL);
	fflush(stdout);
}

static inline double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

#endif
