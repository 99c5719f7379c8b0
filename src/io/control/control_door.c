/* SPDX-License-Identifier: Apache-2.0 */
#include "io/control/control_door.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/control/control.h"

struct sockaddr_un control_door_address(int dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir,
                   CONTROL_SOCKET_NAME);
    return address;
}

static int door_error(struct errmsg *msg, const char *run_dir, const char *what)
{
    int err = errno == EACCES || errno == EPERM ? ERR_PERM : ERR_IO;
    return errmsg_set(msg, err,
                      "run_dir '%s': %s: %s; it must be a directory that the agent may "
                      "write to",
                      run_dir, what, strerror(errno));
}

static int door_taken(struct errmsg *msg, const char *run_dir, int lock)
{
    char pid[16];
    ssize_t n = pread(lock, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return errmsg_set(msg, ERR_EXISTS,
                      "another agent of this node runs already (pid %s, run_dir '%s'); stop it "
                      "first, or give this node a run_dir of its own",
                      pid[0] != '\0' ? pid : "unknown", run_dir);
}

static int door_lock(struct control_door *door, const char *run_dir, struct errmsg *msg)
{
    char pid[16];
    int size = snprintf(pid, sizeof pid, "%d\n", getpid());
    door->lock =
        openat(door->dir, CONTROL_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (door->lock < 0)
        return door_error(msg, run_dir, CONTROL_LOCK_NAME);
    if (flock(door->lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? door_taken(msg, run_dir, door->lock)
                                    : door_error(msg, run_dir, CONTROL_LOCK_NAME);
    /* Only for the message above: the lock is what counts. */
    if (ftruncate(door->lock, 0) != 0 || pwrite(door->lock, pid, (size_t)size, 0) != size)
        return door_error(msg, run_dir, CONTROL_LOCK_NAME);
    return 0;
}

static int door_bind(struct control_door *door, const char *run_dir, struct errmsg *msg)
{
    struct sockaddr_un address = control_door_address(door->dir);
    door->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (door->socket < 0)
        return door_error(msg, run_dir, CONTROL_SOCKET_NAME);
    if (unlinkat(door->dir, CONTROL_SOCKET_NAME, 0) != 0 && errno != ENOENT)
        return door_error(msg, run_dir, CONTROL_SOCKET_NAME);
    /* Linux gives the file the mode of the socket: it is never open to others, not for a moment,
     * and the umask of the process stays as it is. */
    if (fchmod(door->socket, 0600) != 0 ||
        bind(door->socket, (const struct sockaddr *)&address, sizeof address) != 0)
        return door_error(msg, run_dir, CONTROL_SOCKET_NAME);
    return 0;
}

int control_door_open(const char *run_dir, struct errmsg *msg, struct control_door *ret_door)
{
    struct control_door door = {-1, -1, -1};
    int err = 0;
    (void)mkdir(run_dir, 0755);
    door.dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (door.dir < 0)
        err = door_error(msg, run_dir, "cannot be opened");
    if (err == 0)
        err = door_lock(&door, run_dir, msg);
    if (err == 0)
        err = door_bind(&door, run_dir, msg);
    if (err == 0) {
        *ret_door = door;
        return 0;
    }
    /* Whose lock it is decides whose socket file it is. */
    if (door.socket >= 0)
        (void)close(door.socket);
    if (door.lock >= 0)
        (void)close(door.lock);
    if (door.dir >= 0)
        (void)close(door.dir);
    return err;
}

void control_door_close(struct control_door *door)
{
    (void)unlinkat(door->dir, CONTROL_SOCKET_NAME, 0);
    if (door->socket >= 0)
        (void)close(door->socket);
    (void)close(door->dir);
    (void)close(door->lock);
}
