// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to pass something to another process and to get something back,
 * in the instructions of both: through binder, our own or (BINDER_DEVICE) the
 * kernel's, and through a UNIX socket; and what a video frame costs.
 *
 * Each of the system calls of binder does as much as it can: it frees, sends and
 * waits, as Android's library has it.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ashmem_test.h"
#include "bench.h"

/* A frame of 1920 by 1080 pixels of 4 bytes, and what it is read in. */
#define FRAME		(8UL << 20)
#define LINE		64

/* The receive buffer. */
#define BUFFER		(64UL << 10)

/* What a client asks for. */
#define NOTHING		1
#define A_FD		2

/* The process at the other end, the socket to it, and the file that is passed. */
static struct {
	pid_t pid;
	int socket;
	int fd;
} server = { .socket = -1, .fd = -1 };

/* Binder, of this process: what was received last is freed with the next command. */
static struct {
	int fd;
	char *buffer;
	binder_uintptr_t received;
} binder = { .fd = -1 };

static const char *device;

/* A frame of this process, where it is copied. */
static char *frame;

/*
 * Who runs next is no matter of luck with real-time processes of one priority: one
 * runs until it waits. With ordinary ones a wakeup preempts, or does not, for long.
 */
static bool take_turns(bool yes)
{
	struct sched_param priority = { .sched_priority = yes };

	return !sched_setscheduler(0, yes ? SCHED_FIFO : SCHED_OTHER, &priority);
}

/* A process that runs @serve with its end of a socket pair until it is killed. */
static bool start(void (*serve)(int socket))
{
	int pair[2];

	if (!take_turns(true) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return false;
	server.pid = fork();
	if (server.pid < 0)
		return false;
	if (!server.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1]);
		_exit(1);
	}
	close(pair[1]);
	server.socket = pair[0];
	return true;
}

static void stop(struct bench *b)
{
	(void)b;
	take_turns(false);
	if (binder.buffer)
		munmap(binder.buffer, BUFFER);
	if (binder.fd >= 0)
		close(binder.fd);
	binder.fd = -1;
	binder.buffer = NULL;
	binder.received = 0;
	if (server.pid > 0) {
		kill(server.pid, SIGKILL);
		waitpid(server.pid, NULL, 0);
	}
	server.pid = 0;
	close(server.socket);
	close(server.fd);
	free(frame);
	frame = NULL;
}

static bool say(int socket, char what)
{
	return write(socket, &what, 1) == 1;
}

static char hear(int socket)
{
	char what = 0;

	return read(socket, &what, 1) == 1 ? what : 0;
}

/* A socket: a byte there, and a byte, perhaps with a file descriptor, back. */

static void serve_socket(int socket)
{
	for (;;) {
		switch (hear(socket)) {
		case NOTHING:
			if (!say(socket, NOTHING))
				return;
			break;
		case A_FD:
			if (send_fd(socket, server.fd) < 0)
				return;
			break;
		default:
			return;
		}
	}
}

static bool begin_socket(struct bench *b)
{
	server.fd = reference(page_size());
	return server.fd >= 0 && start(serve_socket) && b;
}

static bool op_socket(struct bench *b)
{
	return say(server.socket, NOTHING) && hear(server.socket) == NOTHING && b;
}

static bool op_socket_fd(struct bench *b)
{
	long fd;

	if (!say(server.socket, A_FD))
		return false;
	fd = recv_fd(server.socket);
	return fd >= 0 && !close(fd) && b;
}

/* Binder: the same. */

static bool open_binder(void)
{
	binder.fd = open(device, O_RDWR | O_CLOEXEC);
	if (binder.fd < 0)
		return false;
	if (map(binder.fd, BUFFER, PROT_READ, MAP_PRIVATE, &binder.buffer)) {
		binder.buffer = NULL;
		return false;
	}
	return true;
}

struct __attribute__((packed)) commands {
	uint32_t free;
	binder_uintptr_t received;
	uint32_t send;
	struct binder_transaction_data data;
};

/*
 * Frees what was received last and sends, if there is something to send; then
 * waits for what is wanted.
 */
static bool exchange(struct commands *send, uint32_t wanted, struct binder_transaction_data *got)
{
	struct binder_write_read bwr = {};

	if (send) {
		send->free = BC_FREE_BUFFER;
		send->received = binder.received;
		/* The first time there is nothing to free. */
		bwr.write_buffer = (uintptr_t)(binder.received ? &send->free : &send->send);
		bwr.write_size = (uintptr_t)(send + 1) - bwr.write_buffer;
		binder.received = 0;
	}
	for (;;) {
		unsigned char space[256];

		bwr.read_buffer = (uintptr_t)space;
		bwr.read_size = sizeof(space);
		bwr.read_consumed = 0;
		if (ioctl(binder.fd, BINDER_WRITE_READ, &bwr) && errno != EINTR)
			return false;
		for (size_t at = 0; at < bwr.read_consumed;) {
			uint32_t returned;

			memcpy(&returned, space + at, sizeof(returned));
			at += sizeof(returned);
			if (returned == wanted) {
				memcpy(got, space + at, sizeof(*got));
				binder.received = got->data.ptr.buffer;
				return true;
			}
			if (returned != BR_NOOP && returned != BR_TRANSACTION_COMPLETE &&
			    returned != BR_SPAWN_LOOPER)
				return false;
		}
	}
}

static void serve_binder(int socket)
{
	struct flat_binder_object self = { .flags = FLAT_BINDER_FLAG_ACCEPTS_FDS };
	struct binder_fd_object object = { .hdr.type = BINDER_TYPE_FD, .fd = server.fd };
	struct binder_write_read bwr = {};
	struct binder_transaction_data asked;
	uint32_t enter = BC_ENTER_LOOPER, number = NOTHING;
	binder_size_t offset = 0;

	if (!open_binder())
		return;
	/* The one before may still be on its way out. */
	for (int i = 0; ioctl(binder.fd, BINDER_SET_CONTEXT_MGR_EXT, &self); i++) {
		if (errno != EBUSY || i == 100)
			return;
		usleep(10000);
	}
	bwr.write_buffer = (uintptr_t)&enter;
	bwr.write_size = sizeof(enter);
	if (ioctl(binder.fd, BINDER_WRITE_READ, &bwr) || !say(socket, NOTHING) ||
	    !exchange(NULL, BR_TRANSACTION, &asked))
		return;
	for (;;) {
		struct commands reply = { .send = BC_REPLY };

		if (asked.code == A_FD) {
			reply.data.data_size = sizeof(object);
			reply.data.offsets_size = sizeof(offset);
			reply.data.data.ptr.buffer = (uintptr_t)&object;
			reply.data.data.ptr.offsets = (uintptr_t)&offset;
		} else {
			reply.data.data_size = sizeof(number);
			reply.data.data.ptr.buffer = (uintptr_t)&number;
		}
		if (!exchange(&reply, BR_TRANSACTION, &asked))
			return;
	}
}

static bool begin_binder(struct bench *b)
{
	server.fd = reference(page_size());
	return server.fd >= 0 && start(serve_binder) && hear(server.socket) == NOTHING &&
	       open_binder() && b;
}

static bool ask(uint32_t code, struct binder_transaction_data *reply)
{
	struct commands call = {
		.send = BC_TRANSACTION,
		.data = { .code = code, .flags = TF_ACCEPT_FDS },
	};

	return exchange(&call, BR_REPLY, reply);
}

static bool op_binder(struct bench *b)
{
	struct binder_transaction_data reply;

	return ask(NOTHING, &reply) && reply.data_size == sizeof(uint32_t) && b;
}

static bool op_binder_fd(struct bench *b)
{
	struct binder_transaction_data reply;
	const struct binder_fd_object *object;

	if (!ask(A_FD, &reply) || reply.data_size != sizeof(*object))
		return false;
	object = (const void *)(uintptr_t)reply.data.ptr.buffer;
	return !close(object->fd) && b;
}

/* Frames: written by one process, read by the other. */

/* One byte of each line is read, and all are the same. */
static bool is_read(const char *p, char value)
{
	unsigned long sum = 0;

	for (size_t at = 0; at < FRAME; at += LINE)
		sum += (unsigned char)__atomic_load_n(p + at, __ATOMIC_RELAXED);
	return sum == FRAME / LINE * (unsigned char)value;
}

/* In the memory that is handed over. */
static void serve_frames(int socket)
{
	char *p, value;

	if (map(server.fd, FRAME, PROT_RW, MAP_SHARED, &p))
		return;
	while ((value = hear(socket))) {
		memset(p, value, FRAME);
		if (send_fd(socket, server.fd) < 0)
			return;
	}
}

/* Through the socket. */
static void serve_copies(int socket)
{
	char *p = malloc(FRAME), value;

	while (p && (value = hear(socket))) {
		memset(p, value, FRAME);
		for (size_t sent = 0; sent < FRAME;) {
			ssize_t n = write(socket, p + sent, FRAME - sent);

			if (n <= 0)
				return;
			sent += n;
		}
	}
}

static bool begin_region_frames(struct bench *b)
{
	server.fd = region("frames", FRAME);
	return server.fd >= 0 && start(serve_frames) && b;
}

static bool begin_memfd_frames(struct bench *b)
{
	server.fd = reference(FRAME);
	return server.fd >= 0 && start(serve_frames) && b;
}

static bool begin_copied_frames(struct bench *b)
{
	server.fd = -1;
	frame = malloc(FRAME);
	return frame && start(serve_copies) && b;
}

/* What the pixels of the next frame are. */
static char next_value(struct bench *b)
{
	return 1 + number(&b->seed, 255);
}

static bool op_frame(struct bench *b)
{
	char value = next_value(b), *p;
	bool good;
	long fd;

	if (!say(server.socket, value))
		return false;
	fd = recv_fd(server.socket);
	if (fd < 0 || map(fd, FRAME, PROT_READ, MAP_SHARED, &p))
		return false;
	good = is_read(p, value);
	return !munmap(p, FRAME) && !close(fd) && good;
}

static bool op_copied_frame(struct bench *b)
{
	char value = next_value(b);

	if (!say(server.socket, value))
		return false;
	for (size_t got = 0; got < FRAME;) {
		ssize_t n = read(server.socket, frame + got, FRAME - got);

		if (n <= 0)
			return false;
		got += n;
	}
	return is_read(frame, value);
}

#define ROW(n, s, b, o) \
	{ .name = n, .subject = s, .begin = b, .end = stop, .op = o, .per = 1 }

static const struct row ours[] = {
	ROW("call", "binder_fd", begin_binder, op_binder),
	ROW("call", "socket", begin_socket, op_socket),
	ROW("call+fd", "binder_fd", begin_binder, op_binder_fd),
	ROW("call+fd", "socket", begin_socket, op_socket_fd),
	ROW("frame", "ashmem", begin_region_frames, op_frame),
	ROW("frame", "memfd", begin_memfd_frames, op_frame),
	ROW("frame", "socket", begin_copied_frames, op_copied_frame),
};

/* On a kernel that has its own binder: another configuration, so the socket, too. */
static const struct row theirs[] = {
	ROW("in-tree/call", "binder", begin_binder, op_binder),
	ROW("in-tree/call", "socket", begin_socket, op_socket),
	ROW("in-tree/call+fd", "binder", begin_binder, op_binder_fd),
	ROW("in-tree/call+fd", "socket", begin_socket, op_socket_fd),
};

int main(void)
{
	device = getenv("BINDER_DEVICE");
	if (device) {
		begin_report(theirs, COUNT(theirs), 0);
		end_report(theirs, COUNT(theirs));
	}
	device = "/dev/binder_fd";
	begin_report(ours, COUNT(ours), 0);
	end_report(ours, COUNT(ours));
}
