// SPDX-License-Identifier: GPL-2.0
/* What the ashmem tests share: see ashmem_test.h. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashmem_test.h"

#define NOBODY	65534

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

long result(long ret)
{
	return ret == -1 ? -errno : ret;
}

int region_open_flags(int flags)
{
	return result(open(ASHMEM_DEV, flags));
}

int region_open(void)
{
	return region_open_flags(O_RDWR | O_CLOEXEC);
}

int region(const char *name, size_t size)
{
	int fd = region_open();

	if (fd < 0)
		return fd;
	if ((name && set_name(fd, name)) || set_size(fd, size)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

long ash_ioctl(int fd, unsigned int cmd, unsigned long arg)
{
	return result(syscall(SYS_ioctl, fd, cmd, arg));
}

long set_name(int fd, const void *name)
{
	return ash_ioctl(fd, ASHMEM_SET_NAME, (unsigned long)name);
}

long get_name(int fd, void *name)
{
	return ash_ioctl(fd, ASHMEM_GET_NAME, (unsigned long)name);
}

long set_size(int fd, size_t size)
{
	return ash_ioctl(fd, ASHMEM_SET_SIZE, size);
}

size_t get_size(int fd)
{
	return ash_ioctl(fd, ASHMEM_GET_SIZE, 0);
}

size_t whole_size(int fd)
{
	char text[32];

	if (!fdinfo_line(fd, "size:\t", text, sizeof(text)))
		return 0;
	return strtoull(text, NULL, 10);
}

long set_mask(int fd, unsigned long mask)
{
	return ash_ioctl(fd, ASHMEM_SET_PROT_MASK, mask);
}

long get_mask(int fd)
{
	return ash_ioctl(fd, ASHMEM_GET_PROT_MASK, 0);
}

long get_file_id(int fd, void *id)
{
	return ash_ioctl(fd, ASHMEM_GET_FILE_ID, (unsigned long)id);
}

static long pin_ioctl(int fd, unsigned int cmd, size_t offset, size_t len)
{
	struct ashmem_pin range = { .offset = offset, .len = len };

	return ash_ioctl(fd, cmd, (unsigned long)&range);
}

long pin(int fd, size_t offset, size_t len)
{
	return pin_ioctl(fd, ASHMEM_PIN, offset, len);
}

long unpin(int fd, size_t offset, size_t len)
{
	return pin_ioctl(fd, ASHMEM_UNPIN, offset, len);
}

long pin_status(int fd, size_t offset, size_t len)
{
	return pin_ioctl(fd, ASHMEM_GET_PIN_STATUS, offset, len);
}

/* Which region it is asked of makes no difference: here one of its own. */
long purge_all(void)
{
	int fd = region_open();
	long ret = fd < 0 ? fd : ash_ioctl(fd, ASHMEM_PURGE_ALL_CACHES, 0);

	if (fd >= 0)
		close(fd);
	return ret;
}

long unpinned_pages(int fd)
{
	char text[32];

	if (!fdinfo_line(fd, "unpinned:\t", text, sizeof(text)))
		return -1;
	return atol(text);
}

long write_text(const char *path, const char *text)
{
	int fd = result(open(path, O_WRONLY | O_CLOEXEC));
	long ret;

	if (fd < 0)
		return fd;
	ret = result(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

long drop_slab(void)
{
	return write_text("/proc/sys/vm/drop_caches", "2");
}

unsigned long file_id(int fd)
{
	unsigned long id = 0;

	return get_file_id(fd, &id) ? 0 : id;
}

long map_at(void *hint, int fd, size_t len, int prot, int flags, off_t offset,
	    char **addr)
{
	char *p = mmap(hint, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	*addr = p;
	return 0;
}

long map(int fd, size_t len, int prot, int flags, char **addr)
{
	return map_at(NULL, fd, len, prot, flags, 0, addr);
}

long try_map(int fd, size_t len, int prot, int flags)
{
	char *p = NULL;
	long ret = map(fd, len, prot, flags, &p);

	return ret ? ret : result(munmap(p, len));
}

long reserve(size_t len, size_t align, char **addr)
{
	long ret = map(-1, len + align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, addr);

	if (!ret)
		*addr += align - (unsigned long)*addr % align;
	return ret;
}

long map_aligned(int fd, size_t len, int prot, int flags, size_t align, char **addr)
{
	char *place;

	return reserve(len, align, &place) ?:
	       map_at(place, fd, len, prot, flags | MAP_FIXED, 0, addr);
}

size_t huge_page(void)
{
	long size = number_in("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "");

	return size > 0 ? size : 0;
}

long protect(void *addr, size_t len, int prot)
{
	return result(mprotect(addr, len, prot));
}

static sigjmp_buf touch_env;

static void on_fault(int sig)
{
	siglongjmp(touch_env, sig);
}

/* Atomic accesses: the compiler may neither drop nor move them. */
static int touch(char *p, bool write, char value)
{
	struct sigaction act = { .sa_handler = on_fault }, bus, segv;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	sig = sigsetjmp(touch_env, 1);
	if (!sig) {
		if (write)
			__atomic_store_n(p, value, __ATOMIC_SEQ_CST);
		else
			__atomic_load_n(p, __ATOMIC_SEQ_CST);
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

int touch_read(const char *p)
{
	return touch((char *)p, false, 0);
}

int touch_write(char *p, char value)
{
	return touch(p, true, value);
}

char *before_guard(size_t len)
{
	size_t p = page_size(), room = (len + p - 1) / p * p;
	char *m = mmap(NULL, room + p, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (m == MAP_FAILED || mprotect(m + room, p, PROT_NONE)) {
		perror("before_guard");
		abort();
	}
	return m + room - len;
}

void *bad_pointer(int i)
{
	static char *unmapped, *no_access;

	if (!unmapped) {
		unmapped = before_guard(page_size());
		no_access = unmapped + page_size();
		munmap(unmapped, page_size());
	}
	switch (i) {
	case 0:
		return NULL;
	case 1:
		return (void *)1;
	case 2:
		return unmapped;
	case 3:
		return no_access;
	case 4:
		/* Kernel memory on every 64-bit machine. */
		return (void *)-4096L;
	case 5:
		return (void *)-1L;
	default:
		return (void *)(1UL << (8 * sizeof(long) - 1));
	}
}

static char pattern(size_t i, unsigned int seed)
{
	return (i * 31 + (i >> 8) * 7 + seed * 101 + 1) & 0xff;
}

void fill(char *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern(i, seed);
}

bool is_filled(const char *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != pattern(i, seed))
			return false;
	return true;
}

bool is_all(const char *p, size_t len, char c)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != c)
			return false;
	return true;
}

bool reads_as(int fd, const char *content, size_t len)
{
	char *buf = malloc(len + 1);
	ssize_t n = pread(fd, buf, len + 1, 0);
	bool same = n == (ssize_t)len && !memcmp(buf, content, len);

	free(buf);
	return same;
}

bool maps_find(pid_t pid, const void *addr, struct maps_line *line)
{
	unsigned long want = (unsigned long)addr;
	char path[64], text[4096];
	bool found = false;
	int at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid ? pid : getpid());
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%lx-%lx %7s %llx %*x:%*x %lu %n",
			   &line->start, &line->end, line->perms, &line->offset,
			   &line->inode, &at) != 5)
			continue;
		found = line->start <= want && want < line->end;
		if (found) {
			text[strcspn(text, "\n")] = '\0';
			snprintf(line->path, sizeof(line->path), "%.2047s",
				 text + at);
		}
	}
	fclose(f);
	return found;
}

bool map_files_path(pid_t pid, const void *addr, char *path, size_t len)
{
	struct maps_line line;

	if (!maps_find(pid, addr, &line))
		return false;
	snprintf(path, len, "/proc/%d/map_files/%lx-%lx", pid ? pid : getpid(),
		 line.start, line.end);
	return true;
}

bool file_line(const char *path, const char *key, char *value, size_t len)
{
	char text[4096];
	bool found = false;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (!found && fgets(text, sizeof(text), f)) {
		found = !strncmp(text, key, strlen(key));
		if (found) {
			text[strcspn(text, "\n")] = '\0';
			snprintf(value, len, "%s", text + strlen(key));
		}
	}
	fclose(f);
	return found;
}

static void slab_shrink(const char *cache)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	write_text(path, "1");
}

long slab_info(const char *cache, enum slab_column column)
{
	char key[64], text[256];
	long n[3];

	if (column == SLAB_OBJECTS)
		slab_shrink(cache);
	snprintf(key, sizeof(key), "%s ", cache);
	if (!file_line("/proc/slabinfo", key, text, sizeof(text)) ||
	    sscanf(text, "%ld %ld %ld", &n[0], &n[1], &n[2]) != 3)
		return -1;
	return n[column];
}

long slab_objects(const char *prefix)
{
	char line[256], cache[64];
	long sum = 0, objects;
	int caches = 0;

	/* What they keep at hand is given back before anything is counted. */
	for (int is_shrunk = 0; is_shrunk < 2; is_shrunk++) {
		FILE *f = fopen("/proc/slabinfo", "re");

		if (!f)
			return -1;
		while (fgets(line, sizeof(line), f)) {
			if (strncmp(line, prefix, strlen(prefix)) ||
			    sscanf(line, "%63s %ld", cache, &objects) != 2)
				continue;
			caches++;
			if (is_shrunk)
				sum += objects;
			else
				slab_shrink(cache);
		}
		fclose(f);
	}
	return caches ? sum : -1;
}

long total(const char *key)
{
	char with_colon[64];

	snprintf(with_colon, sizeof(with_colon), "%s: ", key);
	return number_in(DEBUGFS "totals", with_colon);
}

long number_in(const char *path, const char *key)
{
	char text[64];

	return file_line(path, key, text, sizeof(text)) ? atol(text) : -1;
}

bool fdinfo_line(int fd, const char *key, char *value, size_t len)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return file_line(path, key, value, len);
}

long cgroup_write(const char *cgroup, const char *file, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return write_text(path, text);
}

long cgroup_account(const char *cgroup)
{
	return cgroup_write(cgroup, "cgroup.subtree_control", "+memory");
}

long cgroup_join(const char *cgroup)
{
	return cgroup_write(cgroup, "cgroup.procs", "0");
}

long cgroup_value(const char *cgroup, const char *file, const char *key)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return number_in(path, key);
}

long in_child(long (*fn)(void *arg), void *arg)
{
	long *answer = mmap(NULL, page_size(), PROT_RW,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long ret;
	int status;
	pid_t pid;

	if (answer == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		*answer = fn(arg);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	ret = WIFSIGNALED(status) ? CHILD_SIGNALLED(WTERMSIG(status)) : *answer;
	munmap(answer, page_size());
	return ret;
}

long become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return -errno;
	return 0;
}

/* The control part of a message with one descriptor. */
union fd_control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

long send_fd(int sock, int fd)
{
	union fd_control control = {};
	char byte = 'f';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return result(sendmsg(sock, &msg, 0));
}

long recv_fd(int sock)
{
	union fd_control control = {};
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

int slowness(void)
{
	/* Loops ask: the environment is looked at once. */
	static int times;

	if (!times) {
		const char *text = getenv("SLOWNESS");
		int said = text ? atoi(text) : 1;

		times = said > 0 ? said : 1;
	}
	return times;
}

bool is_debugging_kernel(void)
{
	return !access("/proc/lockdep", F_OK);
}

bool dev_is_noexec(void)
{
	struct statvfs fs;

	return !statvfs(ASHMEM_DEV, &fs) && (fs.f_flag & ST_NOEXEC);
}

int reference(size_t size)
{
	int fd = memfd_create("reference", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		return -1;
	}
	return fd;
}
