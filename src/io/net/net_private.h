/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the network adapter share. net.c owns the object and its life, and validates
 * the configuration; net_monitor.c keeps the picture of links and addresses; net_vip.c changes
 * addresses; net_macvlan.c makes devices; net_announce.c and net_probe.c speak ARP and ND;
 * net_table.c and net_lease.c speak to nftables through nft_batch.c. All memory belongs to struct
 * net, except a probe (net_probe.c).
 */
#ifndef TANDEM_IO_NET_NET_PRIVATE_H
#define TANDEM_IO_NET_NET_PRIVATE_H

#include "io/net/net.h"
#include "io/net/netlink.h"

#define NET_OPS_MAX (4 * VIPS_MAX)
#define NET_PLACES_MAX 8
#define NET_RECV_BYTES 32768 /* the kernel's dumps use up to this much at once */

struct net_addr {
    int family;
    uint8_t len; /* 4 or 16 */
    uint8_t bytes[16];
};

/* One device that has a VIP now. */
struct net_place {
    int ifindex;
    uint8_t prefix;
    bool usable; /* duplicate address detection is over */
    unsigned generation;
};

enum net_wish { NET_WISH_NONE, NET_WISH_ADD, NET_WISH_DEL };

struct net_link {
    int ifindex; /* 0: there is no such device */
    bool up;
    bool ethernet;
    uint8_t mac[6];
    unsigned generation;
};

struct net_vip_state {
    struct net_addr addr;
    struct net_link link;
    struct net_link macvlan; /* of the device that has the address instead, if there is one */
    struct net_place places[NET_PLACES_MAX];
    unsigned n_places;
    bool present;
    enum net_wish wish; /* the last request */
    int64_t expires_us; /* of the last addition or renewal, whoever made it */
    struct net_probe *probe;
    bool announcing;
    unsigned announce_next; /* index of announce_at_ms */
    int64_t announce_start_us;
};

/* A request whose acknowledgements are awaited: sequence numbers seq .. seq + n_acks - 1. */
struct net_op {
    bool used;
    bool del;
    uint32_t seq;
    unsigned n_acks;
    unsigned n_acked;
    int64_t deadline_us;
    struct net_place place; /* of an addition that is usable when it is acknowledged */
    int64_t expires_us;
    struct net_request rq;
    struct net_result result;
};

struct net_arp_settings {
    bool saved;
    uint32_t ignore;
    uint32_t announce;
};

enum net_dump { NET_DUMP_NONE, NET_DUMP_LINKS, NET_DUMP_ADDRESSES };

struct net {
    struct net_config config;
    struct log log;
    net_event_fn on_event;
    void *data;
    uv_loop_t *loop;

    struct net_addr members[NODES_MAX];
    struct net_addr own;
    struct net_place own_places[NET_PLACES_MAX];
    unsigned n_own_places;
    bool own_present;
    struct net_vip_state vips[VIPS_MAX];
    bool ready;

    struct mnl_socket *monitor_socket;
    uv_poll_t monitor_poll;
    enum net_dump dump;
    unsigned dump_ticks;
    bool dump_again;
    bool overflowed;
    bool dump_torn; /* the kernel says the table changed below the dump */
    unsigned generation;
    uint8_t monitor_buf[NET_RECV_BYTES] NETLINK_ALIGNED;

    struct mnl_socket *vip_socket;
    uv_poll_t vip_poll;
    uv_timer_t vip_timer;
    uint32_t vip_seq;
    struct net_op ops[NET_OPS_MAX];

    struct net_arp_settings arp[NET_MACVLANS_MAX]; /* of the parent, before net_macvlan_up() */

    int packet_fd; /* sends only: bound to no protocol, it receives nothing */
    uv_timer_t announce_timer;

    struct mnl_socket *nft_socket;
    uint32_t nft_seq;
    bool table_installed;
    unsigned table_rules;
    uint32_t table_gen;
    int64_t lease_until_us; /* as set by this process, 0 = none */
    uv_timer_t table_timer;

    unsigned n_handles;
    bool stopping;
    void (*stopped)(void *data);
    void *stopped_data;
};

/* net.c */
int64_t net_now_us(void);
int net_addr_parse(const char *text, struct net_addr *ret_addr) NODISCARD;
bool net_addr_equal(const struct net_addr *a, const struct net_addr *b) NODISCARD;
const char *net_addr_text(const struct net_addr *a, char buf[ADDRESS_TEXT_MAX]);
void net_emit(struct net *net, enum net_event_type type, unsigned vip);
/* VIP_PRESENT with NET_GONE_NONE, else VIP_GONE. */
void net_emit_address(struct net *net, unsigned vip, enum net_gone cause, const char *device);
/* ERR_* of an errno value; m gets "what: text". */
int net_errno(struct errmsg *m, int error, const char *what);
/* Each embedded handle is counted when it is initialised and closed with this callback. */
void net_handle_closed(struct net *net);
int net_open_netlink(int bus, unsigned groups, struct errmsg *m,
                     struct mnl_socket **ret_socket) NODISCARD;
/* The kernel's explanation in an error message, "" if it gave none. */
void net_ext_ack_text(const struct nlmsghdr *nlh, char *buf, size_t size);

/* The device that has the VIP, or will have it. */
const struct net_link *net_vip_link(const struct net *net, unsigned vip);

/* net_monitor.c: reads what is there, calls on_event. */
int net_monitor_start(struct net *net, struct errmsg *m) NODISCARD;
void net_monitor_drain(struct net *net);
/* The kernel acknowledges an IPv6 address before it tells about it. */
void net_monitor_added(struct net *net, unsigned vip, const struct net_place *place,
                       int64_t expires_us);
/* Now and then: repeats a dump that could not be asked for. */
void net_monitor_tick(struct net *net);

/* net_vip.c */
void net_vip_acks(struct net *net);
void net_vip_timeouts(struct net *net);
void net_vip_cancel_all(struct net *net);

/* net_announce.c */
int net_send_frame(int fd, int ifindex, const uint8_t *frame, size_t size) NODISCARD;
void net_announce_end(struct net *net, unsigned vip);
void net_announce_due(struct net *net);

/* net_probe.c */
void net_probe_cancel(struct net *net, unsigned vip);

/* net_table.c */
void net_table_look(struct net *net);

#endif
