/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds shared by every format of the project. A node is its position in the cluster file, 0 ..
 * n-1. */
#ifndef TANDEM_WIRE_LIMITS_H
#define TANDEM_WIRE_LIMITS_H

#define NODES_MAX 16
#define NODE_NONE 0xffu
#define NODE_NAME_MAX 64
#define VIPS_MAX 16
#define VRRP_ROUTERS_MAX 8 /* of a pair; they move together */
#define ADDRESS_TEXT_MAX 64
#define PATH_TEXT_MAX 256
#define GTID_TEXT_MAX 2048
#define VERSION_TEXT_MAX 64
#define UUID_TEXT_MAX 37
#define DETAIL_TEXT_MAX 256

#endif
