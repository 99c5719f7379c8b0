/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager's notification socket (sd_notify(3)): READY, STATUS, STOPPING, WATCHDOG.
 * Without $NOTIFY_SOCKET everything here does nothing.
 *
 * Not libsystemd's sd_notify(): that blocks while the manager does not read, and the loop's
 * standstill would cost the lease. A notification that does not fit is dropped; the watchdog's is
 * repeated anyway.
 */
#ifndef TANDEM_IO_SYS_NOTIFY_H
#define TANDEM_IO_SYS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd; /* -1 = nobody wants to know */
};

/* socket_path: getenv("NOTIFY_SOCKET") or NULL; "@name" is an abstract one. Cannot fail. */
void notify_open(struct notify *n, const char *socket_path);
void notify_close(struct notify *n);

/* Each returns true if it was handed over. status: one line for `systemctl status`. */
bool notify_ready(struct notify *n, const char *status);
bool notify_status(struct notify *n, const char *status);
bool notify_stopping(struct notify *n, const char *status);
bool notify_watchdog(struct notify *n);

/* How often to call notify_watchdog(): a third of getenv("WATCHDOG_USEC"), if
 * getenv("WATCHDOG_PID") is this process or NULL; 0 = there is no watchdog. */
int64_t notify_watchdog_interval_us(const char *watchdog_usec, const char *watchdog_pid);

#endif
