/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ashmem tests share.
 *
 * Functions that do a system call return its result, or the errno as a
 * negative number, so that a test can name both in one expression:
 *
 *	EXPECT_EQ(-EINVAL, set_size(fd, 1));
 */
#ifndef ASHMEM_TEST_H
#define ASHMEM_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <linux/ashmem.h>

#define ASHMEM_DEV	"/dev/ashmem"
#define PROT_RW		(PROT_READ | PROT_WRITE)
#define PROT_RWX	(PROT_READ | PROT_WRITE | PROT_EXEC)

/* Newer than the C library's header. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* What in_child() returns when signal @sig ended the child. */
#define CHILD_SIGNALLED(sig)	(-100000L - (sig))

size_t page_size(void);

/* The result of a system call or C library call, or -errno. */
long result(long ret);

/* A new region: without name and size, or with the given ones. */
int region_open(void);
int region_open_flags(int flags);
int region(const char *name, size_t size);

/*
 * The ioctls. get_size() is for sizes that fit an int: the kernel's ioctl()
 * keeps every driver's result in one. whole_size() asks fdinfo instead.
 */
long ash_ioctl(int fd, unsigned int cmd, unsigned long arg);
long set_name(int fd, const void *name);
long get_name(int fd, void *name);
long set_size(int fd, size_t size);
size_t get_size(int fd);
size_t whole_size(int fd);
long set_mask(int fd, unsigned long mask);
long get_mask(int fd);
long get_file_id(int fd, void *id);

/* Pinning; offset and length in bytes. */
long pin(int fd, size_t offset, size_t len);
long unpin(int fd, size_t offset, size_t len);
long pin_status(int fd, size_t offset, size_t len);
long purge_all(void);

/* The unpinned pages of a region, from fdinfo. */
long unpinned_pages(int fd);

/* In which order ranges of several regions were unpinned is told by clock ticks: some of them. */
#define TICKS_US	12000

/* Have memory reclaim purge what it finds, through drop_caches: 0 or -errno. */
long drop_slab(void);

/* Write a text to a file, in one piece: 0 or -errno. */
long write_text(const char *path, const char *text);

/* The inode number of the region's memory; 0 when there is none. */
unsigned long file_id(int fd);

/* mmap: the address goes to @addr; or it is only tried and unmapped again. */
long map_at(void *hint, int fd, size_t len, int prot, int flags, off_t offset,
	    char **addr);
long map(int fd, size_t len, int prot, int flags, char **addr);
long try_map(int fd, size_t len, int prot, int flags);
long protect(void *addr, size_t len, int prot);

/* Reserve a place for @len bytes at a multiple of @align: nothing can be accessed there. */
long reserve(size_t len, size_t align, char **addr);

/* A mapping of all of @fd there. */
long map_aligned(int fd, size_t len, int prot, int flags, size_t align, char **addr);

/* The size of a huge page in bytes; 0 if there are none. */
size_t huge_page(void);

/* Touch one byte: 0, or the signal that it raised. */
int touch_read(const char *p);
int touch_write(char *p, char value);

/* @len bytes that end where memory without any access begins. */
char *before_guard(size_t len);

/* Addresses that nothing can be read from or written to: 0 .. BAD_POINTERS - 1. */
#define BAD_POINTERS	7
void *bad_pointer(int i);

/* Memory contents that are easily told from each other by @seed. */
void fill(char *p, size_t len, unsigned int seed);
bool is_filled(const char *p, size_t len, unsigned int seed);
bool is_all(const char *p, size_t len, char c);

/* Does read access through the descriptor find these bytes, all of them? */
bool reads_as(int fd, const char *content, size_t len);

/* The line of /proc/<pid>/maps that holds an address; pid 0 is this process. */
struct maps_line {
	unsigned long start;
	unsigned long end;
	char perms[8];
	unsigned long long offset;
	unsigned long inode;
	char path[2048];
};

bool maps_find(pid_t pid, const void *addr, struct maps_line *line);

/* Path of the entry of /proc/<pid>/map_files for the mapping at an address. */
bool map_files_path(pid_t pid, const void *addr, char *path, size_t len);

/* The first line of a file that starts with @key: what stands behind @key. */
bool file_line(const char *path, const char *key, char *value, size_t len);

/* The number that stands there, or -1. */
long number_in(const char *path, const char *key);

/* The same as file_line() for the fdinfo of a descriptor. */
bool fdinfo_line(int fd, const char *key, char *value, size_t len);

/* Cgroups, by their paths; this is the root of all. */
#define CGROUPS		"/sys/fs/cgroup"

/* Memory is accounted for in the groups below @cgroup; an error where it cannot be. */
long cgroup_account(const char *cgroup);
/* From here on the calling process is in @cgroup. */
long cgroup_join(const char *cgroup);
long cgroup_write(const char *cgroup, const char *file, const char *text);
/* The number behind @key in a file of @cgroup, or -1. */
long cgroup_value(const char *cgroup, const char *file, const char *key);

/* What the module tells about itself. */
#define DEBUGFS	"/sys/kernel/debug/ashmem/"

/* A figure of it; -1 if there is none. */
long total(const char *key);

/*
 * A column of a cache's line in /proc/slabinfo; -1 where there is no such cache. For
 * SLAB_OBJECTS the kernel is first made to give back what it keeps at hand, which
 * it counts, too.
 */
enum slab_column { SLAB_OBJECTS, SLAB_OBJECT_SIZE = 2 };
long slab_info(const char *cache, enum slab_column column);
/* The objects of all caches whose names begin so; -1 where there are no such caches. */
long slab_objects(const char *prefix);

/* Run a function in a forked child: its result, or CHILD_SIGNALLED(). */
long in_child(long (*fn)(void *arg), void *arg);

/* Give up root for good: 0 or -errno. */
long become_nobody(void);

/* Pass a descriptor through a UNIX socket. */
long send_fd(int sock, int fd);
long recv_fd(int sock);

/* So many times longer than usual does everything take here (SLOWNESS). */
int slowness(void);

/* Is this a kernel whose own checks cost more than what they look at? */
bool is_debugging_kernel(void);

/* May files under /dev be mapped with PROT_EXEC at all? */
bool dev_is_noexec(void);

/* A memfd of the given size, to see what shmem does without ashmem. */
int reference(size_t size);

#endif /* ASHMEM_TEST_H */
