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

/* Waits for somebody to connect, and passes on the region's descriptor. */
static void hand_over(int fd, const char *path)
{
	struct sockaddr_un address = meeting_point(path);
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1))
		fail(path);
	client = accept(listener, NULL, NULL);
	if (client < 0)
		fail("accept");

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	if (sendmsg(client, &message, 0) != 1)
		fail("passing the descriptor");

	close(client);
	close(listener);
	unlink(path);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
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

	hand_over(fd, argc > 1 ? argv[1] : NULL);
	printf(ME " I passed the descriptor through a UNIX socket; the memory stays.\n");
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
