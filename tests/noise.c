// SPDX-License-Identifier: GPL-2.0
/*
 * Scheduling noise, for tests of races: twice as many processes as there are CPUs
 * spin, sleep and wander, each for a random while, until this program is killed.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* The longest time to do the same, in microseconds. */
#define LONGEST		3000

static long microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void make_noise(unsigned int seed, int cpus)
{
	srand(seed);
	for (;;) {
		long until = microseconds() + rand() % LONGEST;
		struct sched_param priority = { .sched_priority = 1 };
		cpu_set_t set;

		switch (rand() % 8) {
		case 0:
			CPU_ZERO(&set);
			CPU_SET(rand() % cpus, &set);
			sched_setaffinity(0, sizeof(set), &set);
			break;
		case 1:
			/* It then preempts whatever runs, wherever that is. */
			sched_setscheduler(0, SCHED_FIFO, &priority);
			break;
		case 2:
			priority.sched_priority = 0;
			sched_setscheduler(0, SCHED_OTHER, &priority);
			break;
		}
		while (microseconds() < until)
			;
		usleep(rand() % LONGEST);
	}
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < 2 * cpus; i++) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			make_noise(i + 1, cpus);
		}
	}
	for (;;)
		pause();
}
