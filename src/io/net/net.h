/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's network as facts and actions: virtual addresses (VIPs), announcements to neighbours,
 * the state of links and addresses, and the kernel's lease. It knows nothing of roles or terms: it
 * never adds, removes, announces or renews anything by itself, and an event is a fact, not advice.
 *
 * VIPs are the entries of net_config.vips and are named by their index. The adapter is made by
 * net_start() and owned by the caller until the callback of net_stop(). Everything is called on the
 * loop's thread; no callback is made from inside the call that asked for it.
 *
 * Addresses carry a kernel lifetime (whole seconds), so that a dead agent's VIP vanishes; a renewal
 * is another net_vip_add(). IPv6 VIPs are added deprecated (never chosen as a source of the host's
 * own connections) and without a prefix route (so that an address with an end date never shares the
 * host's own on-link route): a VIP of a foreign IPv6 subnet needs a route made by the
 * administrator. IPv4 trap: a VIP with the host's own subnet as prefix becomes the primary address
 * if the host's own address is removed and added again, and the kernel then deletes the others with
 * it unless net.ipv4.conf.DEV.promote_secondaries is 1. A prefix of 32 avoids that.
 *
 * The lease (docs/design/fence.md). Two tables named net_config.table, families inet and arp, hold
 * sets whose elements expire by themselves (checked at every packet, millisecond timeouts, jiffy
 * resolution: up to one tick early or late, 4 ms at HZ=250). Without a live element
 *   - packets to a VIP that is an address of this host, and from a VIP, are dropped;
 *   - ARP and ND for a VIP are neither answered nor sent;
 *   - NET_SCOPE_PORT: packets to and from the mysqld ports on every local address are dropped,
 *     except from and to the members' addresses.
 * With a live element everything passes, but for packets to a VIP that is held_only: of these only
 * neighbour solicitations and advertisements do.
 * Connection tracking is not asked, so an established connection stops as well, in both directions:
 * an OK that mysqld sends after the end does not leave the host. Not covered, by intention or by
 * nature: traffic through lo (clients and proxies on this host, whatever address they use), unix
 * sockets, and a mysqld in another network namespace (container ports forwarded by DNAT). A machine
 * that is suspended as a whole suspends its lease with it (jiffies stand still).
 * A crash leaves tables, elements and addresses as they are. net_stop() leaves them as well; a
 * clean exit removes VIPs first and calls net_table_remove() last, when mysqld is closed. "nft
 * flush ruleset" by somebody else (restarting Debian's nftables.service does it) opens the fence;
 * the adapter looks every NET_TABLE_CHECK_MS and tells by NET_EVENT_TABLE_LOST.
 *
 * Calls that talk to nftables are synchronous: the kernel does the work inside sendmsg() and the
 * answer is there when it returns. Measured (Linux 6.18, 2 VIPs, test_latency of
 * tests/unit/test_net_lease.c, 13 runs of 1000 renewals on two busy cores): net_lease_set() median
 * 5 to 12 us, p99 14 to 49 us, max 0.05 to 1 ms (4 ms once), so it is called on the loop.
 * net_table_install() takes 0.4 to 1 ms the first time, 6 to 13 ms over existing tables (the kernel
 * waits for packets in flight), longer if it loads modules or the host has a big ruleset. All of
 * them wait while another program commits a ruleset.
 */
#ifndef TANDEM_IO_NET_NET_H
#define TANDEM_IO_NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/limits.h"

#define NET_DEVICE_MAX 16 /* IFNAMSIZ */
#define NET_TABLE_MAX 64
#define NET_PORTS_MAX 4
#define NET_ANNOUNCES_MAX 8
#define NET_MACVLANS_MAX VRRP_ROUTERS_MAX
#define NET_TABLE_CHECK_MS 1000
#define NET_LEASE_FOREVER INT64_MAX
#define NET_REFUSE_MS 3000

struct net;

/* A device with a MAC of its own on the cable of another one, see net_macvlan_up(). */
struct net_macvlan {
    char name[NET_DEVICE_MAX];
    char parent[NET_DEVICE_MAX];
    uint8_t mac[6];
};

struct net_vip {
    char address[ADDRESS_TEXT_MAX]; /* "172.17.0.101" or "fd00::65"; the text decides the family */
    uint8_t prefix;                 /* 1 .. 32 or 128 */
    char device[NET_DEVICE_MAX];    /* may appear later, vanish and return */
    char label[NET_DEVICE_MAX];     /* IPv4 only ("eth0:vip"); empty = none */
    /* Name of the macvlan that has the address instead of `device`; empty = none. LINK_UP and
     * LINK_DOWN are about `device` in any case. */
    char macvlan[NET_DEVICE_MAX];
    /* Nobody is served at it (RFC 9568 6.1, Accept_Mode false): packets to it are dropped, whatever
     * the lease. ARP and ND for it go on as for any other. */
    bool held_only;
};

enum net_scope {
    NET_SCOPE_VIP, /* the lease covers the VIPs only: nodes that cannot become the writer */
    NET_SCOPE_PORT /* and the mysqld ports on all local addresses */
};

struct net_config {
    char table[NET_TABLE_MAX]; /* such as "tandem_demo": letter, then letters, digits and '_' */
    struct net_vip vips[VIPS_MAX];
    unsigned n_vips;
    struct net_macvlan macvlans[NET_MACVLANS_MAX];
    unsigned n_macvlans;
    enum net_scope scope;
    uint16_t ports[NET_PORTS_MAX]; /* mysqld's; also its admin or X protocol port */
    unsigned n_ports;
    char members[NODES_MAX][ADDRESS_TEXT_MAX]; /* numeric addresses of the cluster's nodes */
    unsigned n_members;
    char own_address[ADDRESS_TEXT_MAX];         /* watched for its loss; empty = none */
    unsigned announce_at_ms[NET_ANNOUNCES_MAX]; /* offsets of a burst, ascending, first 0 */
    unsigned n_announces;                       /* 0 = 0, 50, 200, 500, 1000, 5000 ms */
};

enum net_event_type {
    NET_EVENT_READY,               /* once: the state at start has been reported completely */
    NET_EVENT_VIP_PRESENT,         /* on any device; before READY: left over from an earlier run */
    NET_EVENT_VIP_GONE,            /* from every device; see cause */
    NET_EVENT_LINK_UP,             /* the device of this VIP: administratively up with carrier */
    NET_EVENT_LINK_DOWN,           /* or it does not exist. The kernel may tell up to 1 s late */
    NET_EVENT_OWN_ADDRESS_PRESENT, /* own_address; vip is meaningless */
    NET_EVENT_OWN_ADDRESS_GONE,
    NET_EVENT_TABLE_LOST, /* somebody removed or changed our tables: install again */
    NET_EVENT_COUNT
};

enum net_gone {
    NET_GONE_NONE,    /* not a VIP_GONE event */
    NET_GONE_DELETED, /* by net_vip_del() */
    NET_GONE_EXPIRED, /* its lifetime ended without a renewal */
    NET_GONE_FOREIGN  /* removed by somebody else, or with its device */
};

struct net_event {
    enum net_event_type type;
    unsigned vip;
    enum net_gone cause;
    char device[NET_DEVICE_MAX]; /* where: may differ from the configured one for a leftover */
};

typedef void (*net_event_fn)(void *data, const struct net_event *event);

struct net_options {
    uv_loop_t *loop;
    struct log log;
    const struct net_config *config; /* copied */
    net_event_fn on_event;
    void *data;
};

/* Validates the configuration, opens the sockets, asks for the present state (arrives as events).
 * Errors: ERR_INVAL (m says which option), ERR_PERM (needs CAP_NET_ADMIN and CAP_NET_RAW),
 * ERR_IO, ERR_NOMEM. */
int net_start(const struct net_options *options, struct errmsg *m, struct net **ret_net) NODISCARD;
/* Ends open requests with ERR_CANCELED, closes, frees, calls stopped (NULL allowed). net may be
 * NULL: nothing happens, stopped is not called. Touches neither addresses nor tables. */
void net_stop(struct net *net, void (*stopped)(void *data), void *data);

/* --- addresses ------------------------------------------------------------------------------- */

struct net_result {
    unsigned vip;
    int err; /* 0; ERR_TIMEOUT; ERR_NOTFOUND: no such device; ERR_CANCELED; ERR_PERM; ERR_IO */
    bool conflict;  /* of net_vip_probe(): somebody has the address, or probes for it as well */
    uint8_t mac[6]; /* who, if conflict */
    struct errmsg msg;
};

struct net_request {
    unsigned vip;
    unsigned timeout_ms;
    void (*done)(void *data, const struct net_result *result); /* exactly once if the call gave 0 */
    void *data;
};

/* Adds the VIP, or renews it. lifetime_s = 0: without end. proven_free: skip IPv6's duplicate
 * address detection (a lease, or net_vip_probe(), proves that nobody else has it); without it an
 * IPv6 address is not usable for a second or more. Several requests of one VIP are carried out in
 * order. Errors of the call: ERR_FULL (too many requests open), ERR_NOTFOUND, ERR_IO. */
int net_vip_add(struct net *net, const struct net_request *rq, unsigned lifetime_s,
                bool proven_free) NODISCARD;
/* Removes it from every device that has it. Absent is success. Ends its announcements at once. */
int net_vip_del(struct net *net, const struct net_request *rq) NODISCARD;
/* Asks the link three times within timeout_ms whether anybody has the address (RFC 5227 2.1.1 ARP
 * probes, RFC 4862 5.4 solicitations); timeout_ms without an answer is err 0, conflict false. Not
 * while this host has the address (ERR_STATE): it would not hear itself. One per VIP (ERR_BUSY). */
int net_vip_probe(struct net *net, const struct net_request *rq) NODISCARD;
bool net_vip_is_present(const struct net *net, unsigned vip);
bool net_link_is_up(const struct net *net, unsigned vip);

/* Gratuitous ARP (request and reply form, RFC 5227 3) or unsolicited Neighbour Advertisement with
 * override (RFC 4861 7.2.6): the first now, the repeats by timer; called again, it starts anew. The
 * repeats end with net_vip_del(), VIP_GONE or, where the tables are installed, with the lease:
 * these frames do not pass the tables, so nothing is sent (ERR_STATE) without a lease set by this
 * process. Errors of the first frame: ERR_NOTFOUND (no device), ERR_UNSUPPORTED (no Ethernet
 * address), ERR_IO. The repeats are armed also after ERR_NOTFOUND and ERR_IO. */
int net_announce(struct net *net, unsigned vip, struct errmsg *m) NODISCARD;

/* --- a MAC of its own -------------------------------------------------------------------------*/

/* Makes the macvlan number `i` of the configuration and sets it up; one that is there already stays
 * as it is, addresses included, one on another parent is made anew. It has no address by itself,
 * not even a link-local one, answers ARP for its own addresses only, and is in bridge mode: in
 * private mode the kernel hides from the parent what another host sends from the same MAC, and that
 * is how two Masters find out about each other. For an IPv4 address the parent's arp_ignore becomes
 * 1 at least and its arp_announce 2, so that it neither answers nor asks in the name of an address
 * that is not its own; net_macvlan_down() of the last one on that parent sets them back, a crash
 * leaves them.
 *
 * A host that is not the Master must not have it up: its kernel would take packets that are for the
 * Master (RFC 9568 6.4.2). Synchronous; measured (Linux 6.18, two busy cores): up less than 1 ms,
 * down 20 to 55 ms (the kernel waits for packets in flight).
 *
 * ERR_NOTFOUND: no parent (yet). ERR_EXISTS: a device of that name is there and is not ours, or
 * another one on the parent has the MAC. ERR_UNSUPPORTED: the parent cannot carry one: not
 * Ethernet, a port of a bridge or of a bond, or the kernel has no macvlan. ERR_PERM, ERR_IO. m says
 * what to do. */
int net_macvlan_up(struct net *net, unsigned i, struct errmsg *m) NODISCARD;
/* Removes it, and with it the addresses on it. Absent is success; so a left-over of an earlier run
 * is cleaned up. ERR_EXISTS: a device of that name that is not ours; it stays. */
int net_macvlan_down(struct net *net, unsigned i, struct errmsg *m) NODISCARD;

/* --- the kernel's lease ---------------------------------------------------------------------- */

/* Installs tables and rules in one transaction, closed unless an earlier run's lease is still
 * alive: its elements are neither extended nor lost, blocked peers stay blocked. Idempotent. reset:
 * replaces whatever is there, lease and blocks included (needed after ERR_EXISTS: tables of a
 * foreign shape). Blocks for some milliseconds (libnftables; longer when the kernel loads modules).
 * ERR_PERM, ERR_EXISTS, ERR_UNSUPPORTED, ERR_IO; m carries nft's own words. */
int net_table_install(struct net *net, bool reset, struct errmsg *m) NODISCARD;
/* Opens the fence. Absent is success. */
int net_table_remove(struct net *net, struct errmsg *m) NODISCARD;
/* Would the kernel take such tables: makes and removes one, with a set like the lease's, in one
 * transaction that no packet sees. ERR_PERM, ERR_UNSUPPORTED, ERR_IO. Needs no struct net. */
int net_table_try(struct errmsg *m) NODISCARD;

/* The lease ends at until_us (CLOCK_BOOTTIME), earlier or later than before. Already past: nothing
 * is extended, what this process had set beyond it is cleared, ERR_TIMEOUT. ERR_NOTFOUND: the
 * tables are gone. ERR_BUSY: the kernel is reorganising a set (after dozens of lapses within a
 * second), nothing has changed, the next renewal may pass. NET_LEASE_FOREVER: until
 * net_lease_clear(). */
int net_lease_set(struct net *net, int64_t until_us, struct errmsg *m) NODISCARD;
/* Ends it now, an earlier run's as well. */
int net_lease_clear(struct net *net, struct errmsg *m) NODISCARD;
/* What the kernel has: time until the last element expires, 0 = closed, NET_LEASE_FOREVER. */
int net_lease_remaining_us(struct net *net, struct errmsg *m, int64_t *ret_us) NODISCARD;

/* New connections to the mysqld ports are reset until until_us, those of the cluster's nodes
 * excepted; established ones go on. Already past: they are let in again. For nodes with
 * NET_SCOPE_PORT only. */
int net_shut(struct net *net, int64_t until_us, struct errmsg *m) NODISCARD;

/* Drops what a peer sends to the mysqld ports, established connections included, whatever the scope
 * and the lease. Survives the process and net_table_install(); idempotent. address is numeric. */
int net_block_peer(struct net *net, const char *address, bool blocked, struct errmsg *m) NODISCARD;
/* The other direction: this host's new connections to the mysqld ports of a peer are reset at once,
 * for NET_REFUSE_MS at most. MariaDB's STOP SLAVE IO_THREAD of a semi-sync replica first dials its
 * source to end the dump thread there, and waits a second or more for one that has vanished. */
int net_refuse_peer(struct net *net, const char *address, bool refused, struct errmsg *m) NODISCARD;

#endif
