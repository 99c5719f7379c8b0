/* SPDX-License-Identifier: Apache-2.0 */
/* For io/control only: the lock that lets one agent in, and the socket that belongs to it. */
#ifndef TANDEM_IO_CONTROL_CONTROL_DOOR_H
#define TANDEM_IO_CONTROL_CONTROL_DOOR_H

#include <stddef.h>
#include <sys/un.h>

#include "util/err.h"

struct control_door {
    int dir;
    int lock;
    int socket; /* bound, not listening; -1 once somebody else owns it */
};

/* Takes the lock, replaces what lies at the socket's path. */
int control_door_open(const char *run_dir, struct errmsg *msg,
                      struct control_door *ret_door) NODISCARD;
/* Removes the socket's file, then gives the lock back. */
void control_door_close(struct control_door *door);

/* Address of the socket in the directory that is open as `dir`: through /proc, because a path of
 * the file system may be longer than sun_path. */
struct sockaddr_un control_door_address(int dir);

#endif
