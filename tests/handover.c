// SPDX-License-Identifier: GPL-2.0
/*
 * A region crosses from one process into another through /dev/binder_fd, with
 * the code of the demonstration: the protocol is the same for 32-bit programs.
 */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "ashmem_test.h"
#include "harness.h"
#include "../samples/handover.h"

#define REGION	1
#define BAD	2

FIXTURE(handover) {
	int binder;
	int region;
	size_t len;
	char *p;
	pid_t server;
};

/* Answers with the region, and with what is no file descriptor. */
static void serve(int region)
{
	int binder = binder_open();

	binder_become_manager(binder);
	for (;;)
		binder_reply(binder, binder_receive(binder) == REGION ? region : -1);
}

FIXTURE_SETUP(handover)
{
	self->len = 2 * page_size();
	self->region = region("handed over", self->len);
	ASSERT_LE(0, self->region);
	ASSERT_EQ(0, map(self->region, self->len, PROT_RW, MAP_SHARED, &self->p));
	fill(self->p, self->len, 1);
	self->server = fork();
	ASSERT_LE(0, self->server);
	if (!self->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(self->region);
	}
	self->binder = binder_open();
}

FIXTURE_TEARDOWN(handover)
{
	close(self->binder);
	kill(self->server, SIGKILL);
	waitpid(self->server, NULL, 0);
}

/* Asks until the server is there. */
static int ask(int binder)
{
	int fd = -1;

	for (int i = 0; i < 1000 && fd < 0; i++) {
		fd = binder_ask(binder, REGION);
		if (fd < 0)
			usleep(10000);
	}
	return fd;
}

TEST_F(handover, same_memory)
{
	int fd = ask(self->binder);
	char *p;

	ASSERT_LE(0, fd);
	EXPECT_NE(self->region, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ((long)self->len, get_size(fd));
	ASSERT_EQ(0, map(fd, self->len, PROT_RW, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 1));
	p[0]++;
	EXPECT_EQ(p[0], self->p[0]);
}

TEST_F(handover, many_times)
{
	int first = ask(self->binder);

	ASSERT_LE(0, first);
	for (int i = 0; i < 1000; i++) {
		int fd = ask(self->binder);

		ASSERT_EQ(first + 1, fd);
		close(fd);
	}
}

/* What the reply cannot carry: BR_FAILED_REPLY, and the errno is to be had. */
TEST_F(handover, bad_descriptor)
{
	struct send_command command = { BC_TRANSACTION, {
		.code = BAD, .flags = TF_ACCEPT_FDS,
	} };
	struct binder_extended_error error = {};
	int fd = ask(self->binder);

	ASSERT_LE(0, fd);
	binder_write(self->binder, &command, sizeof(command));
	EXPECT_EQ(BR_FAILED_REPLY, binder_read(self->binder).command);
	EXPECT_EQ(0, ioctl(self->binder, BINDER_GET_EXTENDED_ERROR, &error));
	EXPECT_EQ(BR_FAILED_REPLY, error.command);
	EXPECT_EQ(-EBADF, error.param);
	EXPECT_EQ(fd + 1, ask(self->binder));
}

TEST_F(handover, numbers_and_pointers)
{
	struct binder_version version = {};

	EXPECT_EQ(0, ioctl(self->binder, BINDER_VERSION, &version));
	EXPECT_EQ(8, version.protocol_version);
	EXPECT_EQ(-1, ioctl(self->binder, BINDER_WRITE_READ, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->binder, BINDER_VERSION ^ 1, &version));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN
