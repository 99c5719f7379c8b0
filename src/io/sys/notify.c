/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_open(struct notify *n, const char *socket_path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = socket_path != NULL ? strlen(socket_path) : 0;
    n->fd = -1;
    if (length < 2 || length >= sizeof to.sun_path ||
        (socket_path[0] != '/' && socket_path[0] != '@'))
        return;
    memcpy(to.sun_path, socket_path, length);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n->fd >= 0 && connect(n->fd, (const struct sockaddr *)&to,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) != 0)
        notify_close(n);
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        (void)close(n->fd);
    n->fd = -1;
}

static bool notify_send(struct notify *n, const char *what, const char *status)
{
    char text[512];
    int size;
    if (n->fd < 0)
        return false;
    size = snprintf(text, sizeof text, "%s%s%s", what, status != NULL ? "STATUS=" : "",
                    status != NULL ? status : "");
    if (size < 0)
        return false;
    if ((size_t)size >= sizeof text)
        size = (int)sizeof text - 1;
    return send(n->fd, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) == size;
}

bool notify_ready(struct notify *n, const char *status)
{
    return notify_send(n, "READY=1\n", status);
}

bool notify_status(struct notify *n, const char *status)
{
    return notify_send(n, "", status);
}

bool notify_stopping(struct notify *n, const char *status)
{
    return notify_send(n, "STOPPING=1\n", status);
}

bool notify_watchdog(struct notify *n)
{
    return notify_send(n, "WATCHDOG=1", NULL);
}

int64_t notify_watchdog_interval_us(const char *watchdog_usec, const char *watchdog_pid)
{
    long long us = watchdog_usec != NULL ? strtoll(watchdog_usec, NULL, 10) : 0;
    if (us <= 0 || (watchdog_pid != NULL && strtoll(watchdog_pid, NULL, 10) != getpid()))
        return 0;
    return us / 3;
}
