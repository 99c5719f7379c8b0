/* SPDX-License-Identifier: Apache-2.0 */
/* libmnl's loops over attributes and its rounding, without their implicit conversions. */
#ifndef TANDEM_IO_NET_NETLINK_H
#define TANDEM_IO_NET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>

#include <libmnl/libmnl.h>

#define NETLINK_ALIGNED __attribute__((aligned(8))) /* of buffers with messages */

static inline bool netlink_attr_ok(const struct nlattr *attr, const void *end)
{
    return mnl_attr_ok(attr, (int)((const char *)end - (const char *)attr));
}

/* Attributes of a message behind `skip` bytes of family header. */
#define NETLINK_EACH(attr, nlh, skip)                      \
    for ((attr) = mnl_nlmsg_get_payload_offset(nlh, skip); \
         netlink_attr_ok(attr, mnl_nlmsg_get_payload_tail(nlh)); (attr) = mnl_attr_next(attr))

#define NETLINK_EACH_NESTED(attr, nest)                                                        \
    for ((attr) = mnl_attr_get_payload(nest); netlink_attr_ok(                                 \
             attr, (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest)); \
         (attr) = mnl_attr_next(attr))

static inline size_t netlink_size(const struct nlmsghdr *nlh)
{
    return ((size_t)nlh->nlmsg_len + 3) & ~(size_t)3;
}

#endif
