/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libashmem: regions of anonymous shared memory from /dev/ashmem, under the names
 * that Android's C library libcutils has made customary.
 *
 *	int fd = ashmem_create_region("frames", size);
 *	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
 *
 * A function that fails returns -1, unless it says otherwise, and sets errno. All
 * take a descriptor of anything: of what is no region they say so, and do nothing
 * to it. They allocate nothing, and may be called by several threads at once.
 *
 * Errors of each function that takes a descriptor:
 *
 *	EBADF	it is none, or one that was opened with O_PATH
 *	ENOTTY	it is of something else than a region; or there is no node of the
 *		device in sight (see ashmem_valid) to tell it by
 */
#ifndef ASHMEM_H
#define ASHMEM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Results of ashmem_pin_region; <linux/ashmem.h> has the same ones. */
#define ASHMEM_NOT_PURGED	0
#define ASHMEM_WAS_PURGED	1

/*
 * Whether @fd is of a region: 1 or 0, with errno as above.
 *
 * It is if it is of the same device as a node: /dev/ashmem, or /dev/ashmem<boot_id>,
 * where <boot_id> is what /proc/sys/kernel/random/boot_id says.
 */
int ashmem_valid(int fd);

/*
 * Makes a region of @size bytes; returns a descriptor, which an exec closes.
 *
 * @name is what /proc/<pid>/maps will show, 255 bytes of it at the most; NULL for
 * none. Any size is taken; mmap is what fails for one that is 0 or too large.
 * The node is /dev/ashmem<boot_id>, or /dev/ashmem if that one cannot be opened.
 *
 * Errors: those of opening /dev/ashmem, of which ENOENT means that the driver is
 * not there; ENOTTY if it is no node of ashmem; ENOMEM.
 */
int ashmem_create_region(const char *name, size_t size);

/*
 * Lowers what new mappings of the region may do to @prot, of PROT_READ, PROT_WRITE
 * and PROT_EXEC: 0. Mappings that exist keep what they have.
 *
 * Errors: EINVAL for what it has lost before, or never could do.
 */
int ashmem_set_prot_region(int fd, int prot);

/*
 * Keeps pages from being purged, from @offset on, @len bytes; 0 for all to the end.
 * Returns ASHMEM_WAS_PURGED if something of what was unpinned together with any of
 * them is lost, and reads as zero; else ASHMEM_NOT_PURGED.
 *
 * Errors: EINVAL before the region has been mapped first, for what is not whole
 * pages, or not in the region, or beyond what 32 bits can say; ENOMEM.
 */
int ashmem_pin_region(int fd, size_t offset, size_t len);

/*
 * Lets the kernel purge pages when memory is short: 0. The arguments and the errors
 * are those of ashmem_pin_region.
 */
int ashmem_unpin_region(int fd, size_t offset, size_t len);

/*
 * The size of the region in bytes, as it was set.
 *
 * Errors: EOVERFLOW if an int cannot say it: ASharedMemory_getSize of
 * <android/sharedmem.h> can, and tells what it needs for that.
 */
int ashmem_get_size_region(int fd);

#ifdef __cplusplus
}
#endif

#endif /* ASHMEM_H */
