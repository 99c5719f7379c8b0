/* SPDX-License-Identifier: Apache-2.0 */
#include "io/vrrp/vrrp_header.h"

#include <netinet/in.h>
#include <string.h>

int vrrp_header_ask(int fd)
{
    int on = 1;
    int rc = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    return rc != 0 ? rc : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
}

void vrrp_header_read(struct msghdr *msg, struct vrrp_envelope *e)
{
    const struct sockaddr_in6 *from = msg->msg_name;
    memset(e, 0, sizeof *e);
    e->family = VRRP_IPV6;
    memcpy(e->source.bytes, &from->sin6_addr, 16);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        struct in6_pktinfo info;
        int hops;
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(e->destination.bytes, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
            memcpy(&hops, CMSG_DATA(c), sizeof hops);
            e->ttl = (uint8_t)hops;
        }
    }
}
