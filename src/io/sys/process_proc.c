/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/process_proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/sys/process.h"

#define LOG_TAIL_MAX 65536
#define PROC_PATH_MAX 64

/* Whole small file as text; false if it cannot be read. */
static bool proc_read(const char *path, char *buf, size_t size)
{
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    n = read(fd, buf, size - 1);
    (void)close(fd);
    if (n < 0)
        return false;
    buf[n] = '\0';
    return true;
}

uint32_t proc_pid_file_read(const char *path)
{
    char text[32];
    unsigned long pid;
    if (!proc_read(path, text, sizeof text))
        return 0;
    pid = strtoul(text, NULL, 10);
    return pid > 1 && pid <= INT_MAX ? (uint32_t)pid : 0;
}

/* /proc/PID/stat from field 3 (state) on: after the last ')' of comm, which may hold anything. */
static bool proc_stat_read(uint32_t pid, char *buf, size_t size, const char **ret_rest)
{
    char path[PROC_PATH_MAX];
    char *paren;
    (void)snprintf(path, sizeof path, "/proc/%u/stat", pid);
    if (!proc_read(path, buf, size))
        return false;
    paren = strrchr(buf, ')');
    if (paren == NULL || paren[1] != ' ')
        return false;
    *ret_rest = paren + 2;
    return true;
}

/* From one field of /proc/PID/stat to a later one; NULL if there is none. */
static const char *proc_field(const char *at, unsigned from, unsigned to)
{
    for (; from < to && at != NULL; from++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    return at;
}

/* A process is dead when its last thread is: of one that was killed the first thread is a zombie
 * while others still hold its memory and files, for a tenth of a second with a large server. */
enum proc_state proc_state(uint32_t pid)
{
    char buf[1024];
    const char *rest, *threads;
    if (!proc_stat_read(pid, buf, sizeof buf, &rest))
        return PROC_GONE;
    threads = proc_field(rest, 3, 20);
    if (rest[0] == 'X')
        return PROC_ZOMBIE;
    if (rest[0] == 'Z')
        return threads != NULL && strtoul(threads, NULL, 10) > 1 ? PROC_ALIVE : PROC_ZOMBIE;
    return PROC_ALIVE;
}

static bool proc_has_dir(uint32_t pid, const char *data_dir)
{
    char path[PROC_PATH_MAX];
    struct stat cwd;
    struct stat dir;
    (void)snprintf(path, sizeof path, "/proc/%u/cwd", pid);
    if (data_dir[0] == '\0')
        return true;
    /* ENOENT: it is being ended and has no directory any more. Taken for no server, its files would
     * be cut, or another one started on them, while it still holds them. */
    if (stat(path, &cwd) != 0)
        return errno == EACCES || errno == EPERM || errno == ENOENT;
    return stat(data_dir, &dir) == 0 && cwd.st_dev == dir.st_dev && cwd.st_ino == dir.st_ino;
}

bool proc_is_server(uint32_t pid, const char *data_dir)
{
    static const char *const names[] = {"mysqld\n", "mariadbd\n", "mysqld-debug\n"};
    char path[PROC_PATH_MAX];
    char comm[64];
    bool named = false;
    (void)snprintf(path, sizeof path, "/proc/%u/comm", pid);
    if (proc_state(pid) != PROC_ALIVE || !proc_read(path, comm, sizeof comm))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        named = named || strcmp(comm, names[i]) == 0;
    return named && proc_has_dir(pid, data_dir);
}

bool proc_serves(const char *data_dir)
{
    const struct dirent *entry;
    bool found = false;
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return true; /* nothing is known of it */
    while (!found && (entry = readdir(dir)) != NULL) {
        unsigned long pid = strtoul(entry->d_name, NULL, 10);
        found = pid > 1 && pid <= INT_MAX && proc_is_server((uint32_t)pid, data_dir);
    }
    (void)closedir(dir);
    return found;
}

/* "7f0c2a1e-..." to 16 bytes. */
static bool boot_id_read(uint8_t *ret_id)
{
    char text[64];
    unsigned n = 0;
    if (!proc_read("/proc/sys/kernel/random/boot_id", text, sizeof text))
        return false;
    for (const char *at = text; n < 16 && at[0] != '\0' && at[1] != '\0';) {
        char hex[3] = {at[0], at[1], '\0'};
        if (*at == '-') {
            at++;
            continue;
        }
        ret_id[n++] = (uint8_t)strtoul(hex, NULL, 16);
        at += 2;
    }
    return n == 16;
}

int process_incarnation_read(uint32_t pid, struct incarnation *ret_incarnation)
{
    struct incarnation made = {.pid = pid};
    char buf[1024];
    const char *at;
    if (proc_state(pid) != PROC_ALIVE || !proc_stat_read(pid, buf, sizeof buf, &at) ||
        !boot_id_read(made.boot_id))
        return ERR_NOTFOUND;
    at = proc_field(at, 3, 22); /* starttime */
    if (at == NULL)
        return ERR_NOTFOUND;
    made.start_ticks = strtoull(at, NULL, 10);
    *ret_incarnation = made;
    return 0;
}

/* The end of a file from `offset` on, at most size - 1 bytes; false if it cannot be read. */
static bool tail_read(const char *path, uint64_t offset, char *buf, size_t size)
{
    struct stat st;
    uint64_t from = offset;
    ssize_t n = -1;
    int fd = path[0] != '\0' ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0) {
        uint64_t end = (uint64_t)st.st_size;
        if (from > end)
            from = 0; /* rotated */
        if (end - from > size - 1)
            from = end - (size - 1);
        n = pread(fd, buf, size - 1, (off_t)from);
    }
    (void)close(fd);
    if (n < 0)
        return false;
    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] == '\0')
            buf[i] = ' ';
    }
    buf[n] = '\0';
    return true;
}

void proc_last_line(const char *path, uint64_t offset, char *buf, size_t size)
{
    char tail[4096];
    size_t n;
    char *line;
    buf[0] = '\0';
    if (!tail_read(path, offset, tail, sizeof tail))
        return;
    n = strlen(tail);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
        tail[--n] = '\0';
    line = strrchr(tail, '\n');
    (void)snprintf(buf, size, "%s", line != NULL ? line + 1 : tail);
}

/* What follows the last of the texts that a server writes when it starts and when it serves:
 * MariaDB 10.11 "Starting MariaDB ... as process N", MySQL 5.7 to 9.7 "... starting as process N".
 */
static const char *last_run(const char *log)
{
    static const char *const texts[] = {" starting as process ", "] Starting MariaDB ",
                                        "ready for connections"};
    const char *run = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (const char *at = strstr(log, texts[i]); at != NULL; at = strstr(at + 1, texts[i]))
            run = at > run ? at : run;
    }
    return run;
}

/*
 * A shutdown that has begun, whoever asked for it. MariaDB 10.11: "mariadbd (initiated by:
 * unknown): Normal shutdown", "mariadbd: Shutdown complete". MySQL 9.7: "Received SHUTDOWN from
 * user <via user signal>. Shutting down mysqld", "mysqld: Shutdown complete".
 */
static bool has_shutdown(const char *log)
{
    static const char *const texts[] = {": Normal shutdown", ": Shutdown complete",
                                        "Received SHUTDOWN from user", "MY-013172", "MY-010910"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof texts / sizeof texts[0]; i++)
        found = strstr(log, texts[i]) != NULL;
    return found;
}

enum process_end process_end_from_log(const char *error_log, uint64_t offset)
{
    enum process_end end = PROCESS_END_UNKNOWN;
    char *tail = malloc(LOG_TAIL_MAX);
    const char *run = NULL;
    bool read = tail != NULL && tail_read(error_log, 0, tail, LOG_TAIL_MAX);
    if (read)
        run = last_run(tail);
    if (read && run == NULL) {
        read = tail_read(error_log, offset, tail, LOG_TAIL_MAX);
        run = tail;
    }
    if (read)
        end = has_shutdown(run) ? PROCESS_END_SHUTDOWN : PROCESS_END_CRASH;
    free(tail);
    return end;
}

void proc_start_words(const char *error_log, uint64_t offset, struct starts *ret)
{
    char *tail = malloc(LOG_TAIL_MAX);
    bool read = tail != NULL && tail_read(error_log, offset, tail, LOG_TAIL_MAX);
    const char *run = read ? last_run(tail) : NULL;
    starts_judge(run != NULL ? run : read ? tail : "", ret);
    free(tail);
}
