// SPDX-License-Identifier: GPL-2.0
/*
 * Receives the descriptor of a region of shared memory from a process that it
 * knows nothing of, looks at the frames in there, and answers in the same memory.
 */

#include <linux/ashmem.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "frames.h"
#include "handover.h"

#define ME	"[client]"

/* Asks the server, which may not be there yet, for the descriptor of its region. */
static int receive(int binder, double *took)
{
	for (int i = 0; i < PATIENCE * 10; i++) {
		double began = seconds();
		int fd = binder_ask(binder, GET_REGION);

		*took = seconds() - began;
		if (fd >= 0)
			return fd;
		usleep(100000);
	}
	errno = ETIMEDOUT;
	fail("the server does not come");
	return -1;
}

/* The same bytes through a socket, for comparison. */
static double receive_all(int binder)
{
	double began = seconds();
	char *bytes = malloc(REGION_SIZE);
	int socket = binder_ask(binder, GET_COPY);

	if (socket < 0 || !bytes)
		fail("asking for a copy");
	for (size_t got = 0; got < REGION_SIZE;) {
		ssize_t n = read(socket, bytes + got, REGION_SIZE - got);

		if (n <= 0)
			fail("receiving a copy");
		got += n;
	}
	close(socket);
	free(bytes);
	return seconds() - began;
}

int main(void)
{
	struct frames *frames;
	char name[ASHMEM_NAME_LEN];
	int binder = binder_open(), fd, size;
	double took, copied;

	fd = receive(binder, &took);

	/* A region can be asked what it is. */
	size = ioctl(fd, ASHMEM_GET_SIZE);
	if (size < 0 || ioctl(fd, ASHMEM_GET_NAME, name))
		fail("asking for name and size");
	printf(ME " I am process %d. I got a descriptor, %d with me: \"%s\", %d bytes.\n",
	       getpid(), fd, name, size);
	if ((size_t)size < sizeof(*frames)) {
		errno = EINVAL;
		fail("the region is too small");
	}

	frames = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (frames == MAP_FAILED)
		fail("mmap");
	show_region(ME, fd);
	copied = receive_all(binder);
	printf(ME " %lu MiB were handed over; a copy through a socket took %.0f times as long.\n",
	       REGION_SIZE >> 20, copied / took);
	close(binder);

	for (uint32_t number = 1; number <= FRAMES; number++) {
		wait_for(&frames->drawn, number);
		frames->answer = checksum(frames);
		if (frames->answer != frames->checksum) {
			errno = EIO;
			fail("a frame is not what its checksum says");
		}
		announce(&frames->checked, number);
	}
	printf(ME " I have checked %d frames, and answered in the same memory. OK\n", FRAMES);
	return 0;
}
