/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the IPv6 header says of a received datagram. IPv6 raw sockets do not give the header:
 * source, destination and hop limit come beside, if they were asked for.
 */
#ifndef TANDEM_IO_VRRP_VRRP_HEADER_H
#define TANDEM_IO_VRRP_VRRP_HEADER_H

#include <sys/socket.h>

#include "wire/vrrp_packet.h"

/* 0, or -1 with errno. */
int vrrp_header_ask(int fd);
/* msg: of recvmsg(), with the name of the sender. */
void vrrp_header_read(struct msghdr *msg, struct vrrp_envelope *ret_envelope);

#endif
