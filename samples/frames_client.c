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

#define ME	"[client]"

/* Connects to the server, which may not be there yet, and takes the descriptor. */
static int receive(const char *path)
{
	struct sockaddr_un address = meeting_point(path);
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights;
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	if (server < 0)
		fail("socket");
	for (int i = 0; connect(server, (struct sockaddr *)&address, sizeof(address)); i++) {
		if (i == PATIENCE * 10)
			fail(path);
		usleep(100000);
	}
	if (recvmsg(server, &message, MSG_CMSG_CLOEXEC) != 1)
		fail("receiving the descriptor");
	rights = CMSG_FIRSTHDR(&message);
	if (!rights || rights->cmsg_type != SCM_RIGHTS) {
		errno = ENOMSG;
		fail("receiving the descriptor");
	}
	memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
	close(server);
	return fd;
}

int main(int argc, char **argv)
{
	struct frames *frames;
	char name[ASHMEM_NAME_LEN];
	int fd, size;

	fd = receive(argc > 1 ? argv[1] : NULL);

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
