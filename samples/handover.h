/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a file descriptor gets from one process into another through /dev/binder_fd,
 * or through any binder: the little of its protocol that this takes.
 *
 * The server is the context manager. A client sends it a transaction, which is a
 * number here, and gets a reply with a file descriptor in it: a new one, of the
 * client's own, for the same open file.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "frames.h"

#define BINDER		"/dev/binder_fd"
/* What is received is written here by the kernel; the process only reads it. */
#define BUFFER_SIZE	(64UL << 10)

/* A command with what belongs to it, as the driver takes it. */
struct __attribute__((packed)) free_command {
	uint32_t command;
	binder_uintptr_t buffer;
};

struct __attribute__((packed)) send_command {
	uint32_t command;
	struct binder_transaction_data data;
};

/* What was read: perhaps a transaction or a reply, and what else was said. */
struct returned {
	uint32_t command;
	struct binder_transaction_data data;
};

static inline int binder_open(void)
{
	int fd = open(BINDER, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("open " BINDER);
	if (mmap(NULL, BUFFER_SIZE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		fail("mmap " BINDER);
	return fd;
}

static inline void binder_write(int binder, const void *commands, size_t size)
{
	struct binder_write_read bwr = {
		.write_buffer = (uintptr_t)commands, .write_size = size,
	};

	if (ioctl(binder, BINDER_WRITE_READ, &bwr))
		fail("writing to " BINDER);
}

/*
 * Waits for a transaction, a reply, or the news that there will be none. All
 * else that is said on the way, that something is on its way, needs no answer.
 */
static inline struct returned binder_read(int binder)
{
	for (;;) {
		unsigned char space[256], *at = space;
		struct binder_write_read bwr = {
			.read_buffer = (uintptr_t)space, .read_size = sizeof(space),
		};
		struct returned returned = { 0 };

		if (ioctl(binder, BINDER_WRITE_READ, &bwr) && errno != EINTR)
			fail("reading from " BINDER);
		while (at < space + bwr.read_consumed) {
			memcpy(&returned.command, at, sizeof(returned.command));
			at += sizeof(returned.command);
			switch (returned.command) {
			case BR_TRANSACTION:
			case BR_REPLY:
				memcpy(&returned.data, at, sizeof(returned.data));
				return returned;
			case BR_FAILED_REPLY:
			case BR_DEAD_REPLY:
				return returned;
			}
		}
	}
}

/* Frees what was received: the kernel needs the space in the buffer for more. */
static inline void binder_free(int binder, const struct binder_transaction_data *data)
{
	struct free_command command = { BC_FREE_BUFFER, data->data.ptr.buffer };

	binder_write(binder, &command, sizeof(command));
}

/* Becomes the one who is called, and who takes file descriptors. */
static inline void binder_become_manager(int binder)
{
	struct flat_binder_object self = { .flags = FLAT_BINDER_FLAG_ACCEPTS_FDS };
	uint32_t command = BC_ENTER_LOOPER;

	if (ioctl(binder, BINDER_SET_CONTEXT_MGR_EXT, &self))
		fail("becoming the context manager");
	binder_write(binder, &command, sizeof(command));
}

/* Waits for a transaction; returns what is asked for. */
static inline uint32_t binder_receive(int binder)
{
	struct returned asked = binder_read(binder);

	if (asked.command != BR_TRANSACTION) {
		errno = EPROTO;
		fail("waiting for a transaction");
	}
	binder_free(binder, &asked.data);
	return asked.data.code;
}

/* Replies with a file descriptor. */
static inline void binder_reply(int binder, int fd)
{
	struct binder_fd_object object = { .hdr.type = BINDER_TYPE_FD, .fd = fd };
	binder_size_t offset = 0;
	struct send_command command = { BC_REPLY, {
		.data_size = sizeof(object), .offsets_size = sizeof(offset),
		.data.ptr = { (uintptr_t)&object, (uintptr_t)&offset },
	} };

	binder_write(binder, &command, sizeof(command));
}

/* Asks for a file descriptor; -1 while there is nobody to ask. */
static inline int binder_ask(int binder, uint32_t code)
{
	struct send_command command = { BC_TRANSACTION, {
		.code = code, .flags = TF_ACCEPT_FDS,
	} };
	const struct binder_fd_object *object;
	struct returned reply;
	int fd;

	binder_write(binder, &command, sizeof(command));
	reply = binder_read(binder);
	if (reply.command == BR_DEAD_REPLY)
		return -1;
	if (reply.command != BR_REPLY || reply.data.data_size != sizeof(*object)) {
		errno = EPROTO;
		fail("asking for a file descriptor");
	}
	/* The kernel has put the number of ours where that of the server's was. */
	object = (const void *)(uintptr_t)reply.data.data.ptr.buffer;
	fd = object->fd;
	binder_free(binder, &reply.data);
	return fd;
}

#endif
