// SPDX-License-Identifier: GPL-2.0
/* Which command numbers there are, and that all others are ENOTTY. */

#include <errno.h>
#include <fcntl.h>

#include "ashmem_test.h"
#include "harness.h"

/* Room for the argument of whatever command believes that there is one. */
static char arg[1 << 14];

FIXTURE(command) {
	int fd;
};

FIXTURE_VARIANT(command) {
	bool mapped;
};

FIXTURE_VARIANT_ADD(command, fresh) { .mapped = false };
FIXTURE_VARIANT_ADD(command, mapped) { .mapped = true };

FIXTURE_SETUP(command)
{
	self->fd = region("commands", page_size());
	ASSERT_LE(0, self->fd);
	if (variant->mapped)
		ASSERT_EQ(0, try_map(self->fd, page_size(), PROT_RW,
				     MAP_SHARED));
	memset(arg, 'n', sizeof(arg));
}

/* Nothing that failed has left a trace. */
FIXTURE_TEARDOWN(command)
{
	char name[ASHMEM_NAME_LEN];

	EXPECT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ("commands", name);
	EXPECT_EQ(page_size(), get_size(self->fd));
	EXPECT_EQ(PROT_RWX, get_mask(self->fd));
	EXPECT_EQ(variant->mapped, file_id(self->fd) != 0);
	close(self->fd);
}

static bool is_known(unsigned int cmd)
{
	switch (cmd) {
	case ASHMEM_SET_NAME:
	case ASHMEM_GET_NAME:
	case ASHMEM_SET_SIZE:
	case ASHMEM_GET_SIZE:
	case ASHMEM_SET_PROT_MASK:
	case ASHMEM_GET_PROT_MASK:
	case ASHMEM_PIN:
	case ASHMEM_UNPIN:
	case ASHMEM_GET_PIN_STATUS:
	case ASHMEM_PURGE_ALL_CACHES:
	case ASHMEM_GET_FILE_ID:
		return true;
	}
	return false;
}

static long refused(int fd, unsigned int cmd)
{
	long ret = ash_ioctl(fd, cmd, (unsigned long)arg);

	return ret == -ENOTTY ? ash_ioctl(fd, cmd, 0) : ret;
}

/* The numbers are an ABI: they may not move with the header. */
TEST(numbers)
{
	unsigned int word = sizeof(long) << 16;

	EXPECT_EQ(0x41007701, ASHMEM_SET_NAME);
	EXPECT_EQ(0x81007702, ASHMEM_GET_NAME);
	EXPECT_EQ(0x40007703 | word, ASHMEM_SET_SIZE);
	EXPECT_EQ(0x00007704, ASHMEM_GET_SIZE);
	EXPECT_EQ(0x40007705 | word, ASHMEM_SET_PROT_MASK);
	EXPECT_EQ(0x00007706, ASHMEM_GET_PROT_MASK);
	EXPECT_EQ(0x40087707, ASHMEM_PIN);
	EXPECT_EQ(0x40087708, ASHMEM_UNPIN);
	EXPECT_EQ(0x00007709, ASHMEM_GET_PIN_STATUS);
	EXPECT_EQ(0x0000770a, ASHMEM_PURGE_ALL_CACHES);
	EXPECT_EQ(0x8000770b | word, ASHMEM_GET_FILE_ID);
}

TEST_F(command, every_number_and_size)
{
	static const unsigned int sizes[] = {
		0, 1, 2, 4, 8, 12, 16, 32, 128, 255, 256, 257, 4096, 16383,
	};

	for (unsigned int nr = 0; nr < 256; nr++) {
		for (unsigned int dir = 0; dir < 4; dir++) {
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				unsigned int cmd = _IOC(dir, __ASHMEMIOC, nr,
							sizes[s]);

				if (is_known(cmd))
					continue;
				ASSERT_EQ(-ENOTTY, refused(self->fd, cmd))
					TH_LOG("command %08x", cmd);
			}
		}
	}
}

TEST_F(command, every_size_of_a_known_number)
{
	for (unsigned int nr = 1; nr <= 11; nr++) {
		for (unsigned int dir = 0; dir < 4; dir++) {
			for (unsigned int size = 0; size < 300; size++) {
				unsigned int cmd = _IOC(dir, __ASHMEMIOC, nr,
							size);

				if (is_known(cmd))
					continue;
				ASSERT_EQ(-ENOTTY, refused(self->fd, cmd))
					TH_LOG("command %08x", cmd);
			}
		}
	}
}

/* Other types, except those that the VFS answers for every file. */
TEST_F(command, other_types)
{
	static const char of_the_vfs[] = { 'T', 'X', 'f', 'v', 0x00, 0x12,
					   0x15, (char)0x94 };
	unsigned int seed = 20221;

	for (int i = 0; i < 20000; i++) {
		unsigned int cmd;

		seed = seed * 1664525 + 1013904223;
		/* The high bits of the generator are the good ones. */
		cmd = (seed >> 8) ^ (seed << 13);
		if (_IOC_TYPE(cmd) == __ASHMEMIOC ||
		    memchr(of_the_vfs, _IOC_TYPE(cmd), sizeof(of_the_vfs)))
			continue;
		ASSERT_EQ(-ENOTTY, refused(self->fd, cmd))
			TH_LOG("command %08x", cmd);
	}
	for (unsigned int nr = 0; nr < 256; nr++) {
		EXPECT_EQ(-ENOTTY, refused(self->fd, _IO(0x76, nr)));
		EXPECT_EQ(-ENOTTY, refused(self->fd, _IO(0x78, nr)));
	}
}

/* A 64-bit caller has no 32-bit commands, and the other way round. */
TEST_F(command, other_word_size)
{
	unsigned int other = 12 - sizeof(long), me = __ASHMEMIOC;

	EXPECT_EQ(-ENOTTY, refused(self->fd, _IOC(_IOC_WRITE, me, 3, other)));
	EXPECT_EQ(-ENOTTY, refused(self->fd, _IOC(_IOC_WRITE, me, 5, other)));
	EXPECT_EQ(-ENOTTY, refused(self->fd, _IOC(_IOC_READ, me, 11, other)));
}

/* A region that is open only as a path takes no commands. */
TEST(path_descriptor)
{
	int fd = region_open_flags(O_PATH | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, ash_ioctl(fd, ASHMEM_GET_SIZE, 0));
	close(fd);
}

TEST_HARNESS_MAIN
