/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ashmem: named, anonymous shared memory with a protection mask.
 *
 * Every open() of /dev/ashmem makes a new region. Give it a size (and a name),
 * mmap() it, and pass its file descriptor to whoever shall share it:
 *
 *	int fd = open("/" ASHMEM_NAME_DEF, O_RDWR | O_CLOEXEC);
 *
 *	ioctl(fd, ASHMEM_SET_NAME, "frames");
 *	ioctl(fd, ASHMEM_SET_SIZE, size);
 *	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
 *
 * The first successful mmap() creates the memory behind the region; name and
 * size cannot change afterwards. All sizes and offsets are in bytes. A command
 * that is not listed here, or one of these with another argument size, fails
 * with ENOTTY.
 */
#ifndef _UAPI_LINUX_ASHMEM_H
#define _UAPI_LINUX_ASHMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Size in bytes of the longest name, with its terminating NUL. */
#define ASHMEM_NAME_LEN		256

/* What ASHMEM_GET_NAME answers for a region that has no name. */
#define ASHMEM_NAME_DEF		"dev/ashmem"

/* Results of ASHMEM_PIN: have pages of the range lost their content? */
#define ASHMEM_NOT_PURGED	0
#define ASHMEM_WAS_PURGED	1

/* Results of ASHMEM_GET_PIN_STATUS. */
#define ASHMEM_IS_UNPINNED	0
#define ASHMEM_IS_PINNED	1

/**
 * struct ashmem_pin - a range of pages of a region
 * @offset: start of the range in bytes, a multiple of the page size
 * @len: length in bytes, a multiple of the page size; 0 means "to the end"
 */
struct ashmem_pin {
	__u32 offset;
	__u32 len;
};

#define __ASHMEMIOC		0x77

/**
 * ASHMEM_SET_NAME - name the region
 *
 * The argument points to a string. Bytes are kept as they are, at most
 * ASHMEM_NAME_LEN - 1 of them, and none after the first NUL is read. An empty
 * string takes the name away. /proc/<pid>/maps shows the name of a mapping.
 *
 * Errors: EFAULT for a bad pointer, EINVAL once the region has been mapped,
 * ENOMEM.
 */
#define ASHMEM_SET_NAME		_IOW(__ASHMEMIOC, 1, char[ASHMEM_NAME_LEN])

/**
 * ASHMEM_GET_NAME - read the name
 *
 * Writes the name, or ASHMEM_NAME_DEF, with its NUL and not a byte more.
 *
 * Errors: EFAULT for a bad pointer.
 */
#define ASHMEM_GET_NAME		_IOR(__ASHMEMIOC, 2, char[ASHMEM_NAME_LEN])

/**
 * ASHMEM_SET_SIZE - set the size of the region
 *
 * The argument is the size in bytes, by value. Any value is taken; mmap() is
 * what fails for one that is too large.
 *
 * Errors: EINVAL once the region has been mapped.
 */
#define ASHMEM_SET_SIZE		_IOW(__ASHMEMIOC, 3, __kernel_size_t)

/**
 * ASHMEM_GET_SIZE - read the size
 *
 * Returns the size in bytes as it was set. The kernel's ioctl() passes an int
 * on: of a size of 2 GiB or more the low 32 bits arrive, as a number that may be
 * negative. /proc/<pid>/fdinfo/<fd> shows every size whole.
 *
 * Errors: EOVERFLOW if these are -516 to -512, with which the kernel would begin
 * a system call anew.
 */
#define ASHMEM_GET_SIZE		_IO(__ASHMEMIOC, 4)

/**
 * ASHMEM_SET_PROT_MASK - take away kinds of access
 *
 * The argument is a set of PROT_READ, PROT_WRITE and PROT_EXEC, by value. New
 * mappings of the region may have these protections only; mappings that exist
 * keep theirs. A region starts with all three.
 *
 * Errors: EINVAL if it has other bits, or one that the mask has lost.
 */
#define ASHMEM_SET_PROT_MASK	_IOW(__ASHMEMIOC, 5, unsigned long)

/**
 * ASHMEM_GET_PROT_MASK - read the protection mask
 *
 * Returns the mask.
 */
#define ASHMEM_GET_PROT_MASK	_IO(__ASHMEMIOC, 6)

/**
 * ASHMEM_PIN - protect a range from being purged
 *
 * The argument points to a struct ashmem_pin. All pages start pinned. When this
 * has returned, what is written to the pages stays.
 *
 * Returns ASHMEM_WAS_PURGED if pages that were unpinned together with any of
 * these have lost their content, and read as zero; else ASHMEM_NOT_PURGED.
 * Errors: EFAULT for a bad pointer, EINVAL for a bad range (not whole pages, or
 * not within the region) or before the first mmap(), ENOMEM.
 */
#define ASHMEM_PIN		_IOW(__ASHMEMIOC, 7, struct ashmem_pin)

/**
 * ASHMEM_UNPIN - allow the kernel to purge a range
 *
 * The argument points to a struct ashmem_pin. Under memory pressure the pages
 * of an unpinned range may become zero, those that were unpinned first at first.
 * With what it overlaps, the range becomes one. Where all of its pages are
 * unpinned already, nothing changes. Private mappings are not purged. When the
 * last file descriptor of the region is closed, all is pinned.
 *
 * Errors: as ASHMEM_PIN.
 */
#define ASHMEM_UNPIN		_IOW(__ASHMEMIOC, 8, struct ashmem_pin)

/**
 * ASHMEM_GET_PIN_STATUS - is a range pinned?
 *
 * The argument points to a struct ashmem_pin, although the number says that
 * there is none.
 *
 * Returns ASHMEM_IS_UNPINNED if any page of the range is unpinned, else
 * ASHMEM_IS_PINNED. Errors: EFAULT for a bad pointer, EINVAL for a bad range
 * or before the first mmap().
 */
#define ASHMEM_GET_PIN_STATUS	_IO(__ASHMEMIOC, 9)

/**
 * ASHMEM_PURGE_ALL_CACHES - purge everything that is unpinned now
 *
 * All regions are meant, whichever it is asked of. Returns the number of pages
 * that were unpinned and not purged yet when it began, INT_MAX at the most.
 * Errors: EPERM without CAP_SYS_ADMIN, EINTR.
 */
#define ASHMEM_PURGE_ALL_CACHES	_IO(__ASHMEMIOC, 10)

/**
 * ASHMEM_GET_FILE_ID - which memory is behind this region?
 *
 * The argument points to an unsigned long, which receives the inode number
 * that /proc/<pid>/maps shows: the same for two file descriptors if and only
 * if they share memory.
 *
 * Errors: EFAULT for a bad pointer, EINVAL before the first mmap(), EOVERFLOW
 * if the number does not fit (32-bit callers).
 */
#define ASHMEM_GET_FILE_ID	_IOR(__ASHMEMIOC, 11, unsigned long)

#endif /* _UAPI_LINUX_ASHMEM_H */
