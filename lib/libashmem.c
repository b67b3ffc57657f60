// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Regions of shared memory from /dev/ashmem: see ashmem.h.
 *
 * Nothing is kept between two calls: no lock is needed, and a driver that was
 * loaded anew, or a /dev that is another one, is seen at once.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ashmem.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only what the headers declare is for others. */
#pragma GCC visibility push(default)
#include "android/sharedmem.h"
#include "ashmem.h"
#pragma GCC visibility pop

#define NODE		"/dev/ashmem"
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE	64

/* What a file in /proc/thread-self is, for a descriptor of the calling thread. */
#define FDINFO		"/proc/thread-self/fdinfo/%d"
#define SIZE_LINE	"\nsize:\t"

/* The path of the node that newer Android has: false if that is not to be had. */
static bool boot_id_node(char path[static sizeof(NODE) + BOOT_ID_SIZE])
{
	char *id = path + strlen(NODE);
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, id, BOOT_ID_SIZE);
	close(fd);
	if (len <= 0)
		return false;
	memcpy(path, NODE, strlen(NODE));
	id[len] = '\0';
	id[strcspn(id, "\n")] = '\0';
	return true;
}

static int open_node(void)
{
	char path[sizeof(NODE) + BOOT_ID_SIZE];
	int fd = -1;

	if (boot_id_node(path))
		fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : open(NODE, O_RDWR | O_CLOEXEC);
}

static bool is_node(const char *path, dev_t device)
{
	struct stat node;

	return !stat(path, &node) && S_ISCHR(node.st_mode) && node.st_rdev == device;
}

static bool is_device(dev_t device)
{
	char path[sizeof(NODE) + BOOT_ID_SIZE];

	return is_node(NODE, device) || (boot_id_node(path) && is_node(path, device));
}

/* Only what is of the device gets an ioctl: to others the numbers mean something else. */
int ashmem_valid(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return 0;
	if (!S_ISCHR(st.st_mode) || !is_device(st.st_rdev)) {
		errno = ENOTTY;
		return 0;
	}
	/* The file may still be one that nothing can be done with (O_PATH). */
	return ioctl(fd, ASHMEM_GET_PROT_MASK) >= 0;
}

int ashmem_create_region(const char *name, size_t size)
{
	char buf[ASHMEM_NAME_LEN] = "";
	int fd = open_node();
	int error;

	if (fd < 0)
		return -1;
	/* Some drivers read all of the buffer, whatever the name. */
	if (name)
		memcpy(buf, name, strnlen(name, sizeof(buf) - 1));
	if ((!name || !ioctl(fd, ASHMEM_SET_NAME, buf)) && !ioctl(fd, ASHMEM_SET_SIZE, size))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int ashmem_set_prot_region(int fd, int prot)
{
	if (!ashmem_valid(fd))
		return -1;
	return ioctl(fd, ASHMEM_SET_PROT_MASK, (unsigned long)(unsigned int)prot);
}

static int pin_ioctl(int fd, unsigned long command, size_t offset, size_t len)
{
	struct ashmem_pin range = { .offset = offset, .len = len };

	if (!ashmem_valid(fd))
		return -1;
	/* What does not fit is another range, not this one cut off. */
	if (range.offset != offset || range.len != len) {
		errno = EINVAL;
		return -1;
	}
	return ioctl(fd, command, &range);
}

int ashmem_pin_region(int fd, size_t offset, size_t len)
{
	return pin_ioctl(fd, ASHMEM_PIN, offset, len);
}

int ashmem_unpin_region(int fd, size_t offset, size_t len)
{
	return pin_ioctl(fd, ASHMEM_UNPIN, offset, len);
}

/* Reads the number behind the first @line of a file: false if there is none. */
static bool find_number(int file, const char *line, uint64_t *number)
{
	const char *wanted = line;
	char buf[512];
	ssize_t len;

	*number = 0;
	while ((len = read(file, buf, sizeof(buf))) > 0) {
		for (const char *at = buf; at < buf + len; at++) {
			if (!*wanted) {
				if (*at == '\n')
					return true;
				*number = *number * 10 + (*at - '0');
			} else if (*at == *wanted) {
				wanted++;
			} else {
				/* A line begins with a newline, which is nowhere else in it. */
				wanted = line + (*at == *line);
			}
		}
	}
	return false;
}

/*
 * The size of a region: false, with errno, if it is none.
 *
 * The system call cuts the answer of an ioctl to an int: only fdinfo has every size
 * whole. Without /proc that int must do, where it is no negative one.
 */
static bool region_size(int fd, uint64_t *size)
{
	char path[sizeof(FDINFO) + 3 * sizeof(int)];
	bool found;
	int file, cut;

	if (!ashmem_valid(fd))
		return false;
	snprintf(path, sizeof(path), FDINFO, fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		found = find_number(file, SIZE_LINE, size);
		close(file);
		if (found)
			return true;
	}
	cut = ioctl(fd, ASHMEM_GET_SIZE);
	if (cut < 0) {
		errno = EOVERFLOW;
		return false;
	}
	*size = cut;
	return true;
}

int ashmem_get_size_region(int fd)
{
	uint64_t size;

	if (!region_size(fd, &size))
		return -1;
	if (size > INT_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	return size;
}

int ASharedMemory_create(const char *name, size_t size)
{
	if (!size) {
		errno = EINVAL;
		return -1;
	}
	return ashmem_create_region(name, size);
}

size_t ASharedMemory_getSize(int fd)
{
	uint64_t size;

	if (!region_size(fd, &size))
		return 0;
	if (size > SIZE_MAX) {
		errno = EOVERFLOW;
		return 0;
	}
	return size;
}

int ASharedMemory_setProt(int fd, int prot)
{
	return ashmem_set_prot_region(fd, prot);
}
