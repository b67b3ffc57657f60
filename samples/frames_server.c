// SPDX-License-Identifier: GPL-2.0
/*
 * Draws moving frames into a region of shared memory and shows them to another
 * process, which has nothing of this one but a file descriptor.
 *
 * Read main() from top to bottom: it is the life of a region.
 */

#include <fcntl.h>
#include <linux/ashmem.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "frames.h"
#include "handover.h"

#define ME	"[server]"

/* A band that moves over a background that changes. */
static void draw(struct frames *frames, uint32_t number)
{
	uint32_t left = number * 16 % WIDTH;

	for (uint32_t y = 0; y < HEIGHT; y++) {
		for (uint32_t x = 0; x < WIDTH; x++)
			frames->pixels[y][x] = (y << 16) + x + number;
		for (uint32_t x = left; x < left + 64 && x < WIDTH; x++)
			frames->pixels[y][x] = 0xffffffff;
	}
}

/* Sends all bytes of the region: what it takes where no memory is shared. */
static void send_copy(int socket, const struct frames *frames)
{
	const char *bytes = (const char *)frames;

	for (size_t sent = 0; sent < REGION_SIZE;) {
		ssize_t n = write(socket, bytes + sent, REGION_SIZE - sent);

		if (n < 0)
			fail("sending a copy");
		sent += n;
	}
}

/* Answers the client: with the region, and for comparison with a copy of it. */
static void hand_over(int fd, const struct frames *frames)
{
	int binder = binder_open(), ends[2];

	binder_become_manager(binder);
	if (binder_receive(binder) != GET_REGION)
		fail("the client should ask for the region");
	binder_reply(binder, fd);

	if (binder_receive(binder) != GET_COPY)
		fail("the client should ask for a copy");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		fail("socketpair");
	binder_reply(binder, ends[1]);
	close(ends[1]);
	send_copy(ends[0], frames);
	close(ends[0]);
	close(binder);
}

int main(void)
{
	struct frames *frames;
	double began, took;
	int fd;

	/* Each open makes a new region; nobody else can find it. */
	fd = open("/" ASHMEM_NAME_DEF, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("open /dev/ashmem");

	/* Name and size can be set until the first mmap. */
	if (ioctl(fd, ASHMEM_SET_NAME, REGION_NAME) || ioctl(fd, ASHMEM_SET_SIZE, REGION_SIZE))
		fail("naming and sizing the region");
	frames = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (frames == MAP_FAILED)
		fail("mmap");
	printf(ME " I am process %d. I made a region \"%s\" of %lu MiB: my descriptor %d.\n",
	       getpid(), REGION_NAME, REGION_SIZE >> 20, fd);
	if (!ioctl(fd, ASHMEM_SET_SIZE, 2 * REGION_SIZE))
		fail("the size should be frozen by now");
	printf(ME " It is mapped now, so its name and size are frozen.\n");
	show_region(ME, fd);

	hand_over(fd, frames);
	printf(ME " I passed the descriptor through " BINDER "; the memory stays.\n");
	fflush(stdout);

	began = seconds();
	for (uint32_t number = 1; number <= FRAMES; number++) {
		draw(frames, number);
		frames->checksum = checksum(frames);
		announce(&frames->drawn, number);
		wait_for(&frames->checked, number);
		if (frames->answer != frames->checksum) {
			errno = EIO;
			fail("the other process saw another frame than the one I drew");
		}
	}
	took = seconds() - began;
	printf(ME " %d frames of %dx%d drawn, each seen as I drew it: %.1f frames per second.\n",
	       FRAMES, WIDTH, HEIGHT, FRAMES / took);

	/* The mask can only go down, and holds for whoever maps from now on. */
	if (ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ))
		fail("lowering the protection mask");
	if (mmap(NULL, REGION_SIZE, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EPERM)
		fail("a writable mapping should be refused by now");
	printf(ME " The mask is PROT_READ now: a new writable mapping is refused (%s).\n",
	       strerror(EPERM));
	printf(ME " OK\n");
	return 0;
}
