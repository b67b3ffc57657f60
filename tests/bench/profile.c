// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts how often each instruction of the guest's kernel
 * is executed, and how many there were in user space, while a benchmark says so.
 * It says so by instructions that do nothing (the markers in bench.c).
 *
 * usage: -plugin profile.so,output=FILE
 *
 * A line of the output is the number of the row, an address, and a count.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

/* The interface that this is written for; a newer QEMU takes it, too. */
EXPORT int qemu_plugin_version = 3;

/* The rows, each subject by itself, and the addresses that can be counted at. */
#define ROWS		32
#define PLACES		0x100000UL

/* What is counted at an address of the kernel, or in user space altogether. */
struct place {
	uint64_t address;
	uint64_t count[ROWS];
};

static struct place *places, user;
static unsigned long used;
static int row = -1;
static bool counting;
static const char *output;

/* The place for an address: that of one that was seen before, or a free one. */
static struct place *find(uint64_t address)
{
	uint64_t at = address * 0x9e3779b97f4a7c15 >> 44;

	while (places[at].address && places[at].address != address)
		at = (at + 1) % PLACES;
	if (!places[at].address) {
		places[at].address = address;
		if (++used == PLACES / 2) {
			fprintf(stderr, "profile: too many addresses\n");
			abort();
		}
	}
	return &places[at];
}

static void count(unsigned int cpu, void *data)
{
	(void)cpu;
	if (counting)
		((struct place *)data)->count[row]++;
}

static void next_row(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (++row == ROWS) {
		fprintf(stderr, "profile: too many rows\n");
		abort();
	}
}

static void set_counting(unsigned int cpu, void *data)
{
	(void)cpu;
	counting = data && row >= 0;
}

/* Which marker an instruction is, 0 if none. */
static unsigned int marker(const struct qemu_plugin_insn *insn)
{
	static const unsigned char nop[] = { 0x0f, 0x1f, 0x80 };
	unsigned char bytes[8] = {};
	size_t len = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
	uint32_t word;

	/* nopl 0x415348xx(%rax) */
	if (len == 7 && !memcmp(bytes, nop, sizeof(nop))) {
		memcpy(&word, bytes + 3, sizeof(word));
		return word >> 8 == 0x415348 ? word & 0xff : 0;
	}
	/* movz xzr, #0x415x */
	memcpy(&word, bytes, sizeof(word));
	return len == 4 && (word & ~(0xfU << 5)) == (0xd2800000 | 0x4150 << 5 | 31) ?
		word >> 5 & 0xf : 0;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		void (*what)(unsigned int cpu, void *data) = count;
		void *data = NULL;

		switch (marker(insn)) {
		case 1:
			what = next_row;
			break;
		case 2:
			what = set_counting;
			data = &counting;
			break;
		case 3:
			what = set_counting;
			break;
		default:
			/* The kernel has the upper half of all addresses. */
			data = address >> 63 ? find(address) : &user;
		}
		qemu_plugin_register_vcpu_insn_exec_cb(insn, what, 0, data);
	}
}

static void write_place(FILE *f, const struct place *place)
{
	for (int i = 0; i < ROWS; i++)
		if (place->count[i])
			fprintf(f, "%d %lx %lu\n", i, place->address, place->count[i]);
}

static void at_exit(plugin_id id, void *data)
{
	FILE *f = fopen(output, "w");

	(void)id;
	(void)data;
	if (!f) {
		perror(output);
		return;
	}
	write_place(f, &user);
	for (unsigned long i = 0; i < PLACES; i++)
		write_place(f, &places[i]);
	if (fclose(f))
		perror(output);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "output=", 7)) {
		fprintf(stderr, "profile: output= names the file for the counts\n");
		return -1;
	}
	output = strdup(argv[0] + 7);
	places = calloc(PLACES, sizeof(*places));
	if (!output || !places)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
