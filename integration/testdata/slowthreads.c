// Preloaded into a server (LD_PRELOAD), it lets every new thread begin up to SLOW_THREADS_US microseconds late, as a busy machine does now and then.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct thread {
	void *(*run)(void *);
	void *argument;
};

static void *begin_late(void *given) {
	struct thread thread = *(struct thread *)given;
	free(given);
	const char *most = getenv("SLOW_THREADS_US");
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (most != NULL && atoi(most) > 0)
		usleep(now.tv_nsec / 100 % atoi(most));
	return thread.run(thread.argument);
}

int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
	static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	if (create == NULL)
		create = dlsym(RTLD_NEXT, "pthread_create");
	struct thread *thread = malloc(sizeof *thread);
	if (thread == NULL)
		abort();
	thread->run = run;
	thread->argument = argument;
	return create(id, attributes, begin_late, thread);
}
