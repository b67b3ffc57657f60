// SPDX-License-Identifier: GPL-2.0
/* A region in several hands: dup, fork, SCM_RIGHTS and exec. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "ashmem_test.h"
#include "harness.h"

#define CHILD_ARG	"--child"

FIXTURE(share) {
	size_t len;
	int fd;
};

FIXTURE_SETUP(share)
{
	self->len = 2 * page_size();
	self->fd = region("passed on", self->len);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(share)
{
	close(self->fd);
}

static long map_and_fill(void *arg)
{
	size_t len = 2 * page_size();
	char *p;
	long ret = map(*(int *)arg, len, PROT_RW, MAP_SHARED, &p);

	if (!ret)
		fill(p, len, 7);
	return ret;
}

TEST_F(share, dup_is_the_same_region)
{
	int copy = dup(self->fd);
	char *p, *q;

	ASSERT_LE(0, copy);
	EXPECT_EQ(0, set_size(copy, 1));
	EXPECT_EQ(1, get_size(self->fd));
	EXPECT_EQ(0, set_size(self->fd, self->len));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, MAP_SHARED, &p));
	EXPECT_EQ(-EINVAL, set_size(copy, 1));
	EXPECT_EQ(-EINVAL, set_name(copy, "new"));
	ASSERT_EQ(0, map(copy, self->len, PROT_RW, MAP_SHARED, &q));
	fill(p, self->len, 1);
	EXPECT_TRUE(is_filled(q, self->len, 1));
	EXPECT_EQ(file_id(self->fd), file_id(copy));
}

TEST_F(share, dup_outlives_the_original)
{
	int copy = dup(self->fd);
	char *p;

	ASSERT_EQ(0, map_and_fill(&copy));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, map(copy, self->len, PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 7));
	close(copy);
}

/* The child maps first: the parent finds it frozen, and the content. */
TEST_F(share, freeze_reaches_the_parent)
{
	char *p;

	ASSERT_EQ(0, in_child(map_and_fill, &self->fd));
	EXPECT_EQ(-EINVAL, set_size(self->fd, 1));
	EXPECT_EQ(-EINVAL, set_name(self->fd, "new"));
	EXPECT_EQ(self->len, get_size(self->fd));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 7));
}

struct fork_case {
	char *shared;
	char *private;
	size_t len;
};

static long write_both(void *arg)
{
	struct fork_case *c = arg;

	if (!is_filled(c->shared, c->len, 1) || !is_filled(c->private, c->len, 2))
		return 1;
	fill(c->shared, c->len, 3);
	fill(c->private, c->len, 4);
	return 0;
}

TEST_F(share, mappings_across_fork)
{
	struct fork_case c = { .len = self->len };

	ASSERT_EQ(0, map(self->fd, c.len, PROT_RW, MAP_SHARED, &c.shared));
	ASSERT_EQ(0, map(self->fd, c.len, PROT_RW, MAP_PRIVATE, &c.private));
	fill(c.shared, c.len, 1);
	fill(c.private, c.len, 2);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(0, in_child(write_both, &c));
	EXPECT_TRUE(is_filled(c.shared, c.len, 3));
	EXPECT_TRUE(is_filled(c.private, c.len, 2));
}

static long receive_and_fill(void *arg)
{
	int fd = recv_fd(*(int *)arg);

	if (fd < 0)
		return fd;
	return map_and_fill(&fd);
}

/* The receiver holds the very same open file. */
TEST_F(share, passed_through_a_socket)
{
	char *p;
	int s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	ASSERT_EQ(1, send_fd(s[0], self->fd));
	ASSERT_EQ(0, in_child(receive_and_fill, &s[1]));
	EXPECT_EQ(-EINVAL, set_size(self->fd, 1));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 7));
}

TEST_F(share, lives_in_a_socket_alone)
{
	int s[2], fd;
	char *p;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	ASSERT_EQ(0, map_and_fill(&self->fd));
	ASSERT_EQ(1, send_fd(s[0], self->fd));
	ASSERT_EQ(0, close(self->fd));
	fd = recv_fd(s[1]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, self->len, PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 7));
	/* And one that nobody ever receives goes with its socket. */
	ASSERT_EQ(1, send_fd(s[0], fd));
	close(fd);
	EXPECT_EQ(0, close(s[0]));
	EXPECT_EQ(0, close(s[1]));
}

TEST_F(share, mask_holds_for_the_receiver)
{
	int s[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	ASSERT_EQ(1, send_fd(s[0], self->fd));
	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	fd = recv_fd(s[1]);
	EXPECT_EQ(PROT_READ, get_mask(fd));
	EXPECT_EQ(-EPERM, try_map(fd, 1, PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, set_mask(fd, PROT_RW));
}

static long exec_self(void *arg)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", *(int *)arg);
	execl("/proc/self/exe", "share", CHILD_ARG, number, NULL);
	return -errno;
}

/* Runs in the program that exec_self() has started. */
static int after_exec(int fd)
{
	size_t len = 2 * page_size();
	char *p;

	if (fcntl(fd, F_GETFD) < 0)
		return errno;
	if (map(fd, len, PROT_RW, MAP_SHARED, &p) || !is_filled(p, len, 7))
		return 1;
	fill(p, len, 8);
	return 0;
}

static int exec_status(int *fd)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(exec_self(fd) ? 127 : 0);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(share, inherited_across_exec)
{
	char *p;

	ASSERT_EQ(0, map_and_fill(&self->fd));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFD, 0));
	ASSERT_EQ(0, exec_status(&self->fd));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 8));
}

TEST_F(share, closed_by_exec)
{
	ASSERT_EQ(0, map_and_fill(&self->fd));
	ASSERT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(EBADF, exec_status(&self->fd));
}

static long die_mapped(void *arg)
{
	long ret = map_and_fill(arg);

	if (ret)
		return ret;
	kill(getpid(), SIGKILL);
	return 0;
}

TEST_F(share, holder_is_killed)
{
	char *p;

	EXPECT_EQ(CHILD_SIGNALLED(SIGKILL), in_child(die_mapped, &self->fd));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, self->len, 7));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], CHILD_ARG))
		return after_exec(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
