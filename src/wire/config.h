/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster file as a value: everything that the core and the adapters need to know of it,
 * checked and complete (defaults filled in, `%n` expanded, names turned into node positions). No
 * pointers: it may be copied and compared freely. io/config reads it; the meaning, default and
 * range of each field are in io/config/config.def and docs/reference/cluster-file.md.
 *
 * The value is the same on all nodes. What belongs to one node, paths included, is in its
 * struct config_node; a process picks its own by its node's position. Times are milliseconds.
 */
#ifndef TANDEM_WIRE_CONFIG_H
#define TANDEM_WIRE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "util/log.h"
#include "wire/limits.h"

#define CLUSTER_NAME_MAX 64
#define DEVICE_TEXT_MAX 16       /* IFNAMSIZ */
#define VIP_LABEL_MAX 16         /* IFNAMSIZ: 15 bytes and the end */
#define USER_TEXT_MAX 81         /* MariaDB allows 80 characters, MySQL 32 */
#define VRRP_PASSWORD_TEXT_MAX 9 /* 8 characters and the end */
#define ARBITRATION_TEXT_MAX 256
#define CONFIG_ARBITRATIONS_MAX 4
#define COMMAND_TEXT_MAX 1024 /* command line for /bin/sh -c */
#define NOTIFY_TYPE_MAX 24    /* a word of Keepalived's */

enum config_arbiter_type { CONFIG_ARBITER_RAFT, CONFIG_ARBITER_VRRP, CONFIG_ARBITER_COUNT };
enum config_profile { CONFIG_PROFILE_LAN, CONFIG_PROFILE_FAST, CONFIG_PROFILE_COUNT };
enum config_role {
    CONFIG_ROLE_CANDIDATE, /* may be the writer */
    CONFIG_ROLE_REPLICA,   /* never the writer; may vote */
    CONFIG_ROLE_WITNESS,   /* no MySQL, only votes */
    CONFIG_ROLE_COUNT
};
enum config_durability {
    CONFIG_DURABILITY_AVAILABLE,
    CONFIG_DURABILITY_STRICT,
    CONFIG_DURABILITY_COUNT
};
/* What may be done with a returned node that holds transactions of its own. */
enum config_rejoin {
    CONFIG_REJOIN_AUTO,
    CONFIG_REJOIN_REWIND, /* nothing that makes its data anew */
    CONFIG_REJOIN_MANUAL, /* nothing without an order */
    CONFIG_REJOIN_COUNT
};
enum config_discard { CONFIG_DISCARD_PROVEN, CONFIG_DISCARD_ALL, CONFIG_DISCARD_COUNT };
enum config_lease_scope { CONFIG_LEASE_PORT, CONFIG_LEASE_VIP, CONFIG_LEASE_COUNT };

/* Timing of the election and of the lease (docs/design/arbiter.md). */
struct config_arbiter {
    int type;    /* enum config_arbiter_type */
    int profile; /* enum config_profile */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint32_t candidate_delta_ms; /* a candidate of rank r waits T + (r + 1) * delta */
    uint32_t margin_ms;          /* taken off the lease's end */
    uint32_t tick_ms;
    uint32_t rtt_ms;    /* longest round trip between two nodes that the timing allows for */
    uint32_t voters;    /* bit i: node i votes; an odd number of them, at least three */
    bool voters_chosen; /* the file names them; else candidates + witnesses, padded with replicas */
};

/* The virtual router of a pair; meaningful with CONFIG_ARBITER_VRRP. The times of struct
 * config_arbiter are then made of advert_interval, and the voters are the two candidates, the first
 * two nodes of the file; the others have no agent. */
struct config_vrrp {
    uint32_t router_id;          /* 1 .. 255; 0 = not set */
    uint32_t version;            /* 2 or 3 */
    uint32_t advert_interval_ms; /* version 3: whole centiseconds; version 2: whole seconds */
    char password[VRRP_PASSWORD_TEXT_MAX]; /* version 2; "" = none */
    bool unicast;                          /* to the other node's address instead of the group */
    bool virtual_mac;                      /* the addresses have a MAC of their own, RFC 9568 7.3 */
    bool pseudo_header;                    /* of version 3 over IPv4, see vrrp_packet.h */
    char arbitration[ARBITRATION_TEXT_MAX]; /* addresses, a blank between each two; "" = none */
};

struct config_policy {
    bool preempt; /* a returned candidate of higher priority becomes the writer again */
    uint32_t preempt_delay_ms;
    int durability; /* enum config_durability */
    uint32_t restart_attempts;
    uint32_t restart_backoff_max_ms;
    uint32_t probe_interval_ms;
    uint32_t probe_timeout_ms;
    uint32_t probe_fall;
    uint32_t probe_rise;
    uint32_t beat_interval_ms; /* the writer's heartbeat row */
    uint32_t stall_after_ms;   /* a commit that takes longer is reported as stalled */
    int lease_scope;           /* enum config_lease_scope */
    uint32_t shrink_after_ms;  /* silence of a member before it is dropped from the in-sync set */
    uint32_t slow_ack_ms;      /* a member for which commits wait longer is slow */
    uint32_t slow_after_ms;    /* ... and leaves after so long; 0 = never */
    uint32_t grow_lag_trx_max; /* transactions behind the writer with which growing may begin */
    uint32_t fence_kill_after_ms;
    uint32_t level_timeout_ms;
    uint32_t
        drain_timeout_ms; /* of one drain request; it is repeated, a drain is never cut short */
    uint32_t close_timeout_ms; /* of the bounded read_only of a planned fence */
    uint32_t switchover_timeout_ms;
    uint32_t action_timeout_ms; /* of every other request to a server */
    uint32_t start_timeout_ms;  /* from the start of a mysqld until it answers */
    uint32_t vip_lifetime_ms;   /* kernel lifetime of the address */
    uint32_t announce_count;    /* gratuitous ARP / unsolicited NA per burst */
    uint32_t announce_interval_ms;
    uint32_t disk_free_min_mb; /* less than this in the data directory is `disk full` */
    bool reclone_keep;         /* keep the old data directory of a recloned node */
    uint32_t reclone_rate_mb;  /* per second, that a donor sends at most; 0 = no limit */
    uint32_t reclone_timeout_ms;
    int rejoin;       /* enum config_rejoin */
    int auto_discard; /* enum config_discard */
    bool realtime;    /* ask for real-time priority */
    bool memlock;     /* ask for locked memory */
};

#define VIP_NONE VIPS_MAX

struct config_vip {
    char address[ADDRESS_TEXT_MAX]; /* as inet_ntop writes it */
    int family;                     /* AF_INET or AF_INET6 */
    uint8_t prefix;
    char device[DEVICE_TEXT_MAX];
    bool accept;               /* false: only held, what is sent to it is dropped */
    uint32_t router_id;        /* 0: that of the vrrp block */
    char label[VIP_LABEL_MAX]; /* IPv4 only; "" if none */
};

/* The MySQL of one node. The user names and password files are the agent's on that host. */
struct config_mysql {
    uint16_t port;
    uint16_t extra_port;        /* 0 = none */
    uint16_t x_port;            /* 0 = none */
    char socket[PATH_TEXT_MAX]; /* shorter than sockaddr_un.sun_path */
    char data_dir[PATH_TEXT_MAX];
    char pid_file[PATH_TEXT_MAX];
    char error_log[PATH_TEXT_MAX]; /* "" = not known */
    char log_bin[PATH_TEXT_MAX]; /* base path of the binlog files (@@log_bin_basename), absolute */
    char start_command[COMMAND_TEXT_MAX];
    char copy_command[COMMAND_TEXT_MAX]; /* of a MySQL server that fetches a copy */
    char agent_user[USER_TEXT_MAX];
    char agent_password_file[PATH_TEXT_MAX]; /* "" = no password (socket authentication) */
    char replication_user[USER_TEXT_MAX];
    char replication_password_file[PATH_TEXT_MAX];
};

struct config_tls {
    char ca[PATH_TEXT_MAX];
    char cert[PATH_TEXT_MAX];
    char key[PATH_TEXT_MAX];
};

struct config_hooks {
    char notify[COMMAND_TEXT_MAX]; /* TYPE NAME STATE PRIORITY are appended; "" = none */
    char notify_master[COMMAND_TEXT_MAX];
    char notify_backup[COMMAND_TEXT_MAX];
    char notify_fault[COMMAND_TEXT_MAX];
    char notify_stop[COMMAND_TEXT_MAX];
    char notify_type[NOTIFY_TYPE_MAX];
    char notify_name[NODE_NAME_MAX];       /* "" = the cluster's */
    char notify_state_file[PATH_TEXT_MAX]; /* one word, the state; "" = none */
    uint32_t notify_timeout_ms;
};

struct config_node {
    char name[NODE_NAME_MAX];
    char address[ADDRESS_TEXT_MAX]; /* as inet_ntop writes it */
    int family;                     /* AF_INET or AF_INET6 */
    uint16_t arbiter_port;
    uint16_t copy_port; /* of a donor, while it gives a copy of its data */
    uint16_t http_port; /* 0 = none */
    int role;           /* enum config_role */
    uint32_t priority;  /* 1 .. 254, different for all candidates, higher is better; 0 = not a
                           candidate */
    unsigned source;    /* position of the node that a replica follows; NODE_NONE = the writer */
    bool no_promote;    /* a candidate that is never chosen automatically */
    struct config_mysql mysql; /* all zero for a witness */
    struct config_tls tls;
    struct config_hooks hooks;
    char state_dir[PATH_TEXT_MAX]; /* raft log, salvage */
    char run_dir[PATH_TEXT_MAX];   /* agent.sock, state file */
};

struct cluster_config {
    char cluster[CLUSTER_NAME_MAX];
    enum log_level log_level;
    struct config_arbiter arbiter;
    struct config_vrrp vrrp;
    struct config_policy policy;
    struct config_vip vips[VIPS_MAX];
    unsigned n_vips;
    struct config_node nodes[NODES_MAX]; /* in the order of the file */
    unsigned n_nodes;
    uint64_t digest; /* of the normalised content: equal for files that mean the same */
};

/* Number of the virtual router of an address. */
uint32_t config_vip_router(const struct cluster_config *c, unsigned vip);
/* Whether both addresses are of the same virtual router: an advertisement has one number, and
 * addresses of one family. */
bool config_vips_share_router(const struct cluster_config *c, unsigned a, unsigned b);
/* Position of the first address of the n-th virtual router, VIP_NONE behind the last one: those of
 * IPv4 before those of IPv6, else in the order of the file. */
unsigned config_router(const struct cluster_config *c, unsigned n);
/* Of fe80::/10: nobody reaches it without saying by which device. */
bool config_vip_is_link_local(const struct cluster_config *c, unsigned vip);
/* Position of the first address at which clients are served, a link-local one only if there is no
 * other; 0 if there is none. */
unsigned config_client_vip(const struct cluster_config *c);
/* Position of the node of that name, NODE_NONE if there is none. */
unsigned config_node_find(const struct cluster_config *c, const char *name);
/* Position of the node with that address (text as inet_ntop writes it), NODE_NONE if there is none
 * or more than one. */
unsigned config_node_find_address(const struct cluster_config *c, const char *address);
bool config_node_is_voter(const struct cluster_config *c, unsigned node);
unsigned config_voter_count(const struct cluster_config *c);
/* Voters that must be up for the cluster to be writable; one with arbiter vrrp. */
unsigned config_majority(const struct cluster_config *c);
bool config_is_pair(const struct cluster_config *c);
/* False: the node's server is managed over the network by the agents of a pair. */
bool config_node_has_agent(const struct cluster_config *c, unsigned node);
bool config_node_has_mysql(const struct cluster_config *c, unsigned node);

/* Words of the cluster file; "?" for a value that is none. */
const char *config_role_text(int role);
const char *config_profile_text(int profile);
const char *config_durability_text(int durability);
const char *config_lease_scope_text(int scope);
const char *config_rejoin_text(int rejoin);
const char *config_discard_text(int discard);
const char *config_arbiter_type_text(int type);
const char *config_log_level_text(int level);

#endif
