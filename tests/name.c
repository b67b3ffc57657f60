// SPDX-License-Identifier: GPL-2.0
/* ASHMEM_SET_NAME and ASHMEM_GET_NAME. */

#include <errno.h>

#include "ashmem_test.h"
#include "harness.h"

#define SENTINEL	((char)0xa5)
#define LONGEST		(ASHMEM_NAME_LEN - 1)

/* Does GET_NAME write this name, its NUL, and nothing else? */
static bool name_is(int fd, const char *want)
{
	char buf[2 * ASHMEM_NAME_LEN];
	size_t len = strlen(want) + 1;

	memset(buf, SENTINEL, sizeof(buf));
	return !get_name(fd, buf) && !memcmp(buf, want, len) &&
	       is_all(buf + len, sizeof(buf) - len, SENTINEL);
}

FIXTURE(name) {
	int fd;
};

FIXTURE_SETUP(name)
{
	self->fd = region_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set_size(self->fd, page_size()));
}

FIXTURE_TEARDOWN(name)
{
	close(self->fd);
}

TEST_F(name, default_when_unset)
{
	EXPECT_TRUE(name_is(self->fd, "dev/ashmem"));
}

TEST_F(name, empty_unsets)
{
	EXPECT_EQ(0, set_name(self->fd, "x"));
	EXPECT_TRUE(name_is(self->fd, "x"));
	EXPECT_EQ(0, set_name(self->fd, ""));
	EXPECT_TRUE(name_is(self->fd, "dev/ashmem"));
}

TEST_F(name, last_one_wins)
{
	EXPECT_EQ(0, set_name(self->fd, "a long name comes first"));
	EXPECT_EQ(0, set_name(self->fd, "short"));
	EXPECT_TRUE(name_is(self->fd, "short"));
}

TEST_F(name, ends_at_the_first_nul)
{
	EXPECT_EQ(0, set_name(self->fd, "ab\0cd"));
	EXPECT_TRUE(name_is(self->fd, "ab"));
}

TEST_F(name, slashes_and_control_characters_are_kept)
{
	EXPECT_EQ(0, set_name(self->fd, "/a//../b\n\t\\ \033[1m"));
	EXPECT_TRUE(name_is(self->fd, "/a//../b\n\t\\ \033[1m"));
}

TEST_F(name, not_utf8_is_kept)
{
	EXPECT_EQ(0, set_name(self->fd, "\xff\xfe\xc0\x80\xed\xa0\x80"));
	EXPECT_TRUE(name_is(self->fd, "\xff\xfe\xc0\x80\xed\xa0\x80"));
}

TEST_F(name, every_byte_value_is_kept)
{
	char all[ASHMEM_NAME_LEN];

	for (int i = 0; i < LONGEST; i++)
		all[i] = i + 1;
	all[LONGEST] = '\0';
	EXPECT_EQ(0, set_name(self->fd, all));
	EXPECT_TRUE(name_is(self->fd, all));
}

TEST_F(name, read_only_memory_will_do)
{
	char *p = before_guard(page_size());

	memcpy(p, "read-only", sizeof("read-only"));
	ASSERT_EQ(0, protect(p, page_size(), PROT_READ));
	EXPECT_EQ(0, set_name(self->fd, p));
	EXPECT_TRUE(name_is(self->fd, "read-only"));
}

/* 255 bytes that no NUL follows are no string, as the next byte is none. */
TEST_F(name, unterminated_before_unmapped_memory)
{
	static const int lens[] = { 1, 17, 254, 255 };

	EXPECT_EQ(0, set_name(self->fd, "before"));
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		char *p = before_guard(lens[i]);

		memset(p, 'u', lens[i]);
		EXPECT_EQ(-EFAULT, set_name(self->fd, p))
			TH_LOG("length %d", lens[i]);
		EXPECT_TRUE(name_is(self->fd, "before"));
	}
}

/* The driver need not look further than the 256 bytes of its argument. */
TEST_F(name, no_nul_in_256_bytes)
{
	char want[ASHMEM_NAME_LEN], *p = before_guard(ASHMEM_NAME_LEN);

	memset(p, 'n', ASHMEM_NAME_LEN);
	memset(want, 'n', LONGEST);
	want[LONGEST] = '\0';
	EXPECT_EQ(0, set_name(self->fd, p));
	EXPECT_TRUE(name_is(self->fd, want));
}

TEST_F(name, set_from_bad_pointer)
{
	EXPECT_EQ(0, set_name(self->fd, "before"));
	for (int i = 0; i < BAD_POINTERS; i++) {
		EXPECT_EQ(-EFAULT, set_name(self->fd, bad_pointer(i)))
			TH_LOG("pointer %p", bad_pointer(i));
	}
	EXPECT_TRUE(name_is(self->fd, "before"));
}

TEST_F(name, get_to_bad_pointer)
{
	char *read_only = before_guard(page_size());

	ASSERT_EQ(0, protect(read_only, page_size(), PROT_READ));
	for (int set = 0; set < 2; set++) {
		for (int i = 0; i < BAD_POINTERS; i++) {
			EXPECT_EQ(-EFAULT, get_name(self->fd, bad_pointer(i)))
				TH_LOG("pointer %p", bad_pointer(i));
		}
		EXPECT_EQ(-EFAULT, get_name(self->fd, read_only));
		EXPECT_TRUE(is_all(read_only, page_size(), 0));
		EXPECT_EQ(0, set_name(self->fd, "set"));
	}
}

TEST_F(name, get_to_half_mapped_memory)
{
	EXPECT_EQ(0, set_name(self->fd, "nine byte"));
	EXPECT_EQ(-EFAULT, get_name(self->fd, before_guard(1)));
	EXPECT_EQ(-EFAULT, get_name(self->fd, before_guard(5)));
	EXPECT_EQ(-EFAULT, get_name(self->fd, before_guard(9)));
	EXPECT_EQ(0, get_name(self->fd, before_guard(10)));
	EXPECT_EQ(0, set_name(self->fd, ""));
	EXPECT_EQ(-EFAULT, get_name(self->fd, before_guard(10)));
	EXPECT_EQ(0, get_name(self->fd, before_guard(11)));
}

/* The first mmap freezes it; whether it is unmapped again does not matter. */
TEST_F(name, frozen_once_mapped)
{
	char *p;

	EXPECT_EQ(0, set_name(self->fd, "frozen"));
	ASSERT_EQ(0, map(self->fd, page_size(), PROT_READ, MAP_SHARED, &p));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, set_name(self->fd, "new"));
		EXPECT_EQ(-EINVAL, set_name(self->fd, "frozen"));
		EXPECT_EQ(-EINVAL, set_name(self->fd, ""));
		EXPECT_TRUE(name_is(self->fd, "frozen"));
		if (!i)
			ASSERT_EQ(0, munmap(p, page_size()));
	}
}

TEST_F(name, frozen_without_a_name)
{
	ASSERT_EQ(0, try_map(self->fd, page_size(), PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(-EINVAL, set_name(self->fd, "late"));
	EXPECT_TRUE(name_is(self->fd, "dev/ashmem"));
}

/* Both errors apply; which of them is reported is not specified. */
TEST_F(name, frozen_and_bad_pointer)
{
	long ret;

	EXPECT_EQ(0, set_name(self->fd, "frozen"));
	ASSERT_EQ(0, try_map(self->fd, page_size(), PROT_READ, MAP_SHARED));
	for (int i = 0; i < BAD_POINTERS; i++) {
		ret = set_name(self->fd, bad_pointer(i));
		EXPECT_TRUE(ret == -EINVAL || ret == -EFAULT);
		EXPECT_EQ(-EFAULT, get_name(self->fd, bad_pointer(i)));
	}
	EXPECT_TRUE(name_is(self->fd, "frozen"));
}

FIXTURE(name_length) {
	int fd;
};

FIXTURE_VARIANT(name_length) {
	size_t len;
};

FIXTURE_VARIANT_ADD(name_length, 0) { .len = 0 };
FIXTURE_VARIANT_ADD(name_length, 1) { .len = 1 };
FIXTURE_VARIANT_ADD(name_length, 7) { .len = 7 };
FIXTURE_VARIANT_ADD(name_length, 8) { .len = 8 };
FIXTURE_VARIANT_ADD(name_length, 254) { .len = 254 };
FIXTURE_VARIANT_ADD(name_length, 255) { .len = 255 };
FIXTURE_VARIANT_ADD(name_length, 256) { .len = 256 };
FIXTURE_VARIANT_ADD(name_length, 257) { .len = 257 };
FIXTURE_VARIANT_ADD(name_length, 3000) { .len = 3000 };

FIXTURE_SETUP(name_length)
{
	self->fd = region_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set_size(self->fd, page_size()));
}

FIXTURE_TEARDOWN(name_length)
{
	close(self->fd);
}

/*
 * The NUL is the last byte of mapped memory: a driver that reads a fixed
 * number of bytes faults. What comes back ends at the end of memory, too.
 */
TEST_F(name_length, round_trip)
{
	char *in = before_guard(variant->len + 1), *out;
	char want[ASHMEM_NAME_LEN];
	size_t kept = variant->len < LONGEST ? variant->len : LONGEST;

	for (size_t i = 0; i < variant->len; i++)
		in[i] = 'a' + i % 26;
	in[variant->len] = '\0';
	memcpy(want, in, kept);
	want[kept] = '\0';
	if (!kept)
		memcpy(want, ASHMEM_NAME_DEF, sizeof(ASHMEM_NAME_DEF));

	ASSERT_EQ(0, set_name(self->fd, in));
	EXPECT_TRUE(name_is(self->fd, want));
	out = before_guard(strlen(want) + 1);
	ASSERT_EQ(0, get_name(self->fd, out));
	EXPECT_STREQ(want, out);
	EXPECT_EQ(-EFAULT, get_name(self->fd, out + 1));
}

TEST_F(name_length, shows_in_maps)
{
	char *in = before_guard(variant->len + 1), *p;
	char want[ASHMEM_NAME_LEN + 32];
	struct maps_line line;

	memset(in, 'm', variant->len);
	in[variant->len] = '\0';
	snprintf(want, sizeof(want), "/dev/ashmem%s%.255s (deleted)",
		 variant->len ? "/" : "", in);
	ASSERT_EQ(0, set_name(self->fd, in));
	ASSERT_EQ(0, map(self->fd, page_size(), PROT_READ, MAP_SHARED, &p));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_STREQ(want, line.path);
}

TEST_HARNESS_MAIN
