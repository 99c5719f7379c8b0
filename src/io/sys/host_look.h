/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at this host: addresses, devices, kernel settings, room on the disks. Translates only;
 * core/check.h judges. Blocks as long as a dead file system does: for commands, and for the agent
 * on a thread of the pool.
 *
 * Not here, because a look cannot tell: what the kernel gave the agent (privileges.h) and the
 * certificates' days; whoever knows adds them.
 */
#ifndef TANDEM_IO_SYS_HOST_LOOK_H
#define TANDEM_IO_SYS_HOST_LOOK_H

#include "wire/config.h"
#include "wire/host.h"

/* Fills all but the bits of the privileges and the certificates, which are not judged then. */
void host_look(const struct cluster_config *c, unsigned node, struct host_facts *ret_facts);

/* Two addresses of the same family in one network of that prefix. For the tests as well. */
bool host_look_same_net(int family, const void *a, const void *b, unsigned prefix);
/* The first of the ports that somebody listens on at the node's address, 0 if none is taken. Only
 * while no agent of that node runs here. */
uint16_t host_look_busy_port(const struct config_node *n, const uint16_t *ports, unsigned n_ports);

#endif
