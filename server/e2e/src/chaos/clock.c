/* Adds an offset to the time of day. The offset is a number of nanoseconds in a file that is mapped, so that it can be
   changed while the process runs. Monotonic clocks stay as they are. System calls are made directly: the functions of the
   C library may not be usable yet while a process starts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *mapped;
static volatile int tried;

static int64_t offset(void) {
    if (!mapped && !tried) {
        tried = 1;
        const char *path = getenv("CHAOS_CLOCK_FILE");
        int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
        if (file >= 0) {
            void *page = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
            if (page != MAP_FAILED)
                mapped = page;
            syscall(SYS_close, file);
        }
    }
    return mapped ? *mapped : 0;
}

static int shifted(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t total = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + offset();
        time->tv_sec = total / 1000000000;
        time->tv_nsec = total % 1000000000;
    }
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    return shifted(clock, time);
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    shifted(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec now;
    shifted(CLOCK_REALTIME, &now);
    if (seconds)
        *seconds = now.tv_sec;
    return now.tv_sec;
}
