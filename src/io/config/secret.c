/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Not by stdio, whose buffer keeps what was read. */
int secret_read(const char *path, char *ret_text, size_t size, struct errmsg *m)
{
    size_t used = 0, length = 0;
    ssize_t n = 1;
    int fd;
    ret_text[0] = '\0';
    if (path[0] == '\0')
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && length == used && used < size && n != 0) {
        n = read(fd, ret_text + used, size - used);
        if (n < 0 && errno != EINTR)
            break;
        used += n > 0 ? (size_t)n : 0;
        while (length < used && strchr("\r\n", ret_text[length]) == NULL)
            length++;
    }
    if (fd >= 0)
        (void)close(fd);
    if (fd < 0 || n < 0)
        return errmsg_set(m, ERR_IO, "password file '%s' cannot be read: %s", path,
                          strerror(errno));
    if (length == size) {
        explicit_bzero(ret_text, size);
        return errmsg_set(m, ERR_RANGE, "password file '%s': at most %zu characters", path,
                          size - 1);
    }
    ret_text[length] = '\0';
    return 0;
}
