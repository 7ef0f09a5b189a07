/*
 * A disk that fails on demand, for failing_store.rs: preloaded (LD_PRELOAD) into the server, it stands before the calls
 * that bring data to a file below the data folder. Each fault is on while the file that its variable names exists, so
 * that a healthy server can be started and spoiled later.
 *
 *   DISK_FOLDER      part of the paths that it stands before
 *   DISK_SYNC_FAILS  fsync and fdatasync fail with EIO
 *   DISK_FULL        files do not grow any more: writes beyond their end fail with ENOSPC, others pass
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_on(const char *fault, int file)
{
    const char *folder = getenv("DISK_FOLDER"), *on = getenv(fault);
    char link[64], path[PATH_MAX];
    int errno_before = errno;
    int answer = 0;

    if (folder && on && access(on, F_OK) == 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = 0;
            answer = strstr(path, folder) != NULL;
        }
    }
    errno = errno_before;
    return answer;
}

/* How much of `count` bytes at `start` a full disk still takes: what does not lengthen the file. */
static size_t fitting(int file, off_t start, size_t count)
{
    struct stat status;

    if (start < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        return count;
    off_t left = status.st_size > start ? status.st_size - start : 0;
    return (off_t)count < left ? count : (size_t)left;
}

int fsync(int file)
{
    if (is_on("DISK_SYNC_FAILS", file)) {
        errno = EIO;
        return -1;
    }
    return REAL(fsync)(file);
}

int fdatasync(int file)
{
    if (is_on("DISK_SYNC_FAILS", file)) {
        errno = EIO;
        return -1;
    }
    return REAL(fdatasync)(file);
}

ssize_t write(int file, const void *bytes, size_t count)
{
    if (count > 0 && is_on("DISK_FULL", file)) {
        count = fitting(file, lseek(file, 0, SEEK_CUR), count);
        if (count == 0) {
            errno = ENOSPC;
            return -1;
        }
    }
    return REAL(write)(file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t start)
{
    if (count > 0 && is_on("DISK_FULL", file)) {
        count = fitting(file, start, count);
        if (count == 0) {
            errno = ENOSPC;
            return -1;
        }
    }
    return REAL(pwrite)(file, bytes, count, start);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t start)
{
    return pwrite(file, bytes, count, start);
}
