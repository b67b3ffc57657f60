// SPDX-License-Identifier: GPL-2.0
/*
 * A cache in unpinned memory, with libashmem: what was drawn stays there for as long
 * as nobody needs the memory, and is drawn again when it is gone.
 *
 * Here nobody else needs it: the program purges the memory itself, for which it must
 * be root. Outside this repository: cc cache.c $(pkg-config --cflags --libs ashmem)
 */

#include <android/sharedmem.h>
#include <ashmem.h>
#include <fcntl.h>
#include <linux/ashmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whole pages, whatever the page size. */
#define TILE_SIZE	(64UL << 10)
#define TILES		16

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* What takes its time in a real program. */
static void draw(char *tile, int number)
{
	memset(tile, 'A' + number, TILE_SIZE);
}

/* A tile that stays until unused() is said of it; drawn if it is not there. */
static char *use(int fd, char *tiles, int number, int *drawn)
{
	char *tile = tiles + number * TILE_SIZE;
	int lost = ashmem_pin_region(fd, number * TILE_SIZE, TILE_SIZE);

	if (lost < 0)
		fail("pinning");
	/* Pages begin pinned and zero: what was never drawn was not lost, either. */
	if (lost == ASHMEM_WAS_PURGED || !tile[0]) {
		draw(tile, number);
		(*drawn)++;
	}
	return tile;
}

static void unused(int fd, int number)
{
	if (ashmem_unpin_region(fd, number * TILE_SIZE, TILE_SIZE))
		fail("unpinning");
}

/* Goes through all tiles; says how many of them had to be drawn. */
static int show_all(int fd, char *tiles)
{
	int drawn = 0;

	for (int number = 0; number < TILES; number++) {
		char *tile = use(fd, tiles, number, &drawn);

		if (tile[0] != 'A' + number || tile[TILE_SIZE - 1] != 'A' + number) {
			fprintf(stderr, "tile %d is not what was drawn\n", number);
			exit(1);
		}
		unused(fd, number);
	}
	return drawn;
}

int main(void)
{
	int fd = ASharedMemory_create("tiles", TILES * TILE_SIZE);
	int first, second, third;
	char *tiles;

	if (fd < 0)
		fail("making a region");
	tiles = mmap(NULL, ASharedMemory_getSize(fd), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (tiles == MAP_FAILED)
		fail("mmap");

	first = show_all(fd, tiles);
	second = show_all(fd, tiles);
	printf("%d of %d tiles were drawn at first, %d the second time.\n", first, TILES, second);

	/* As the kernel does when memory is short. */
	if (ioctl(fd, ASHMEM_PURGE_ALL_CACHES) < 0)
		fail("purging");
	third = show_all(fd, tiles);
	printf("%d were drawn when all memory had been taken back.\n", third);
	return first != TILES || third != TILES;
}
