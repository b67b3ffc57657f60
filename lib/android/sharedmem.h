/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libashmem: the names under which Android's NDK has regions of shared memory, over
 * /dev/ashmem. What <ashmem.h> says of errors and threads holds here, too. What
 * takes objects of Java is not here.
 */
#ifndef ANDROID_SHAREDMEM_H
#define ANDROID_SHAREDMEM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a region as ashmem_create_region does, but for one error more: EINVAL if
 * @size is 0.
 */
int ASharedMemory_create(const char *name, size_t size);

/*
 * The size of the region in bytes, as it was set; 0, with errno, for what is no region.
 *
 * Sizes of 2 GiB or more are read from /proc. Where that is not mounted, they come out
 * too small, or there is an error.
 *
 * Errors: EOVERFLOW if the size cannot be told, or a size_t cannot say it.
 */
size_t ASharedMemory_getSize(int fd);

/* Lowers what new mappings may do, as ashmem_set_prot_region does. */
int ASharedMemory_setProt(int fd, int prot);

#ifdef __cplusplus
}
#endif

#endif /* ANDROID_SHAREDMEM_H */
