/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int io_error(struct errmsg *m, const char *what, const char *path)
{
    int err = errno == ENOENT                      ? ERR_NOTFOUND
              : errno == ENOSPC || errno == EDQUOT ? ERR_NOSPC
              : errno == EACCES || errno == EROFS  ? ERR_PERM
                                                   : ERR_IO;
    return errmsg_set(m, err, "%s %s: %s", what, path, strerror(errno));
}

int durable_read(const char *path, uint8_t *buf, size_t size, size_t *ret_used, struct errmsg *m)
{
    size_t used = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(m, "cannot open", path);
    while (n > 0 && used < size) {
        n = read(fd, buf + used, size - used);
        used += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0) {
        int err = io_error(m, "cannot read", path);
        (void)close(fd);
        return err;
    }
    (void)close(fd);
    *ret_used = used;
    return 0;
}

static int write_bytes(int fd, const uint8_t *buf, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, buf, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        buf += k;
        n -= (size_t)k;
    }
    return fsync(fd);
}

static int sync_directory_of(const char *path)
{
    char dir[DURABLE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    int fd, result;
    memcpy(dir, path, n);
    dir[n] = '\0';
    fd = open(slash == NULL ? "." : n == 0 ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    result = fsync(fd);
    (void)close(fd);
    return result;
}

int durable_write(const char *path, const uint8_t *buf, size_t size, struct errmsg *m)
{
    char temporary[DURABLE_PATH_MAX + 8];
    int fd, err = 0;
    if (strlen(path) >= DURABLE_PATH_MAX)
        return errmsg_set(m, ERR_RANGE, "path too long: %.100s...", path);
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error(m, "cannot create", temporary);
    if (write_bytes(fd, buf, size) != 0)
        err = io_error(m, "cannot write", temporary);
    (void)close(fd);
    if (err == 0 && rename(temporary, path) != 0)
        err = io_error(m, "cannot replace", path);
    if (err == 0 && sync_directory_of(path) != 0)
        err = io_error(m, "cannot sync the directory of", path);
    if (err != 0)
        (void)unlink(temporary);
    return err;
}
