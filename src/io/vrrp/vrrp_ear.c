/* SPDX-License-Identifier: Apache-2.0 */
#include "io/vrrp/vrrp_ear.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/vrrp/vrrp_header.h"

#define EAR_DATAGRAM_MAX 2048
#define EAR_TURN_MAX 64 /* datagrams per turn of the loop */

struct vrrp_ear {
    int fd;
    enum vrrp_family family;
    uv_poll_t poll;
    vrrp_heard_fn heard;
    void *data;
};

/* False: nothing more has arrived. */
static bool ear_take(struct vrrp_ear *ear)
{
    uint8_t datagram[EAR_DATAGRAM_MAX];
    char control[256] __attribute__((aligned(8)));
    struct sockaddr_in6 from = {.sin6_family = AF_INET6};
    struct iovec iov = {.iov_base = datagram, .iov_len = sizeof datagram};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct vrrp_envelope e;
    struct vrrp_packet p;
    const uint8_t *message = datagram;
    ssize_t n = recvmsg(ear->fd, &msg, MSG_DONTWAIT);
    size_t size = (size_t)n;
    if (n < 0)
        return false;
    if (ear->family == VRRP_IPV6)
        vrrp_header_read(&msg, &e);
    else if (vrrp_packet_open_ipv4(datagram, size, &e, &message, &size) != VRRP_REJECT_NONE)
        return true;
    if (vrrp_packet_decode(message, size, &e, &p) == VRRP_REJECT_NONE)
        ear->heard(ear->data, &e, &p);
    return true;
}

static void ear_on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    for (unsigned i = 0; i < EAR_TURN_MAX && ear_take(poll->data); i++)
        ;
}

static int ear_open(struct vrrp_ear *ear, struct errmsg *m)
{
    bool six = ear->family == VRRP_IPV6;
    ear->fd =
        socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, VRRP_PROTOCOL);
    if (ear->fd >= 0 && (!six || vrrp_header_ask(ear->fd) == 0))
        return 0;
    return errmsg_set(m, errno == EPERM || errno == EACCES ? ERR_PERM : ERR_NET,
                      "no raw socket of %s: %s", six ? "IPv6" : "IPv4", strerror(errno));
}

int vrrp_ear_start(uv_loop_t *loop, enum vrrp_family family, vrrp_heard_fn heard, void *data,
                   struct errmsg *m, struct vrrp_ear **ret_ear)
{
    struct vrrp_ear *ear = calloc(1, sizeof *ear);
    int err;
    if (ear == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    ear->family = family;
    ear->heard = heard;
    ear->data = data;
    err = ear_open(ear, m);
    if (err == 0 && uv_poll_init(loop, &ear->poll, ear->fd) != 0)
        err = errmsg_set(m, ERR_NET, "the loop does not watch the socket");
    if (err != 0) {
        if (ear->fd >= 0)
            close(ear->fd);
        free(ear);
        return err;
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
