/* SPDX-License-Identifier: Apache-2.0 */
#include "io/vrrp/vrrp_ear.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EAR_DATAGRAM_MAX 2048
#define EAR_TURN_MAX 64 /* datagrams per turn of the loop */

struct vrrp_ear {
    int fd;
    uv_poll_t poll;
    vrrp_heard_fn heard;
    void *data;
};

static void ear_take(struct vrrp_ear *ear, const uint8_t *datagram, size_t size)
{
    struct vrrp_envelope e;
    struct vrrp_packet p;
    const uint8_t *message;
    size_t len;
    if (vrrp_packet_open_ipv4(datagram, size, &e, &message, &len) == VRRP_REJECT_NONE &&
        vrrp_packet_decode(message, len, &e, &p) == VRRP_REJECT_NONE)
        ear->heard(ear->data, &e, &p);
}

static void ear_on_readable(uv_poll_t *poll, int status, int events)
{
    struct vrrp_ear *ear = poll->data;
    uint8_t datagram[EAR_DATAGRAM_MAX];
    (void)status;
    (void)events;
    for (unsigned i = 0; i < EAR_TURN_MAX; i++) {
        ssize_t n = recv(ear->fd, datagram, sizeof datagram, MSG_DONTWAIT);
        if (n < 0)
            return;
        ear_take(ear, datagram, (size_t)n);
    }
}

int vrrp_ear_start(uv_loop_t *loop, vrrp_heard_fn heard, void *data, struct errmsg *m,
                   struct vrrp_ear **ret_ear)
{
    struct vrrp_ear *ear = calloc(1, sizeof *ear);
    if (ear == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    ear->heard = heard;
    ear->data = data;
    ear->fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, VRRP_PROTOCOL);
    if (ear->fd < 0) {
        int err = errno == EPERM || errno == EACCES ? ERR_PERM : ERR_NET;
        free(ear);
        return errmsg_set(m, err, "no raw socket: %s", strerror(errno));
    }
    if (uv_poll_init(loop, &ear->poll, ear->fd) != 0) {
        close(ear->fd);
        free(ear);
        return errmsg_set(m, ERR_NET, "the loop does not watch the socket");
    }
    ear->poll.data = ear;
    (void)uv_poll_start(&ear->poll, UV_READABLE, ear_on_readable);
    *ret_ear = ear;
    return 0;
}

static void ear_on_closed(uv_handle_t *handle)
{
    struct vrrp_ear *ear = handle->data;
    close(ear->fd);
    free(ear);
}

void vrrp_ear_stop(struct vrrp_ear *ear)
{
    if (ear != NULL)
        uv_close((uv_handle_t *)&ear->poll, ear_on_closed);
}
