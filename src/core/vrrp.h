/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VRRP state machine (RFC 9568 6, RFC 3768 6) as a pure step function: one event in, effects
 * out, time as data. It decides who holds the addresses and nothing else: it knows no packets (io
 * and wire/vrrp_packet judged them already), no sockets, no databases.
 *
 * One `struct vrrp` is a *set of virtual routers that move together*: usually one, or one per
 * address family, since an advertisement carries addresses of one family only. They share state,
 * priority and the advertisement timer. The set takes over when the Master is silent in *all* of
 * them, and yields when a better one speaks in *any*: a firewall that drops one family must not
 * make a second Master. (Keepalived's sync groups take over when one of them is silent.)
 *
 * Beyond the RFCs, as Keepalived has it: preemption may be delayed, the priority has a weight added
 * to it, and a router with a fault (link down, server dead, not caught up yet) takes no part. Of
 * the RFCs it leaves out the address owner (priority 255, a router that never waits). Accept_Mode
 * is a matter of packets and not of states: io/net drops what is sent to an address only held.
 *
 * A Master tells the neighbours again every VRRP_ANNOUNCE_EVERY_US. While it was cut off from
 * another node they may have learned that one's address, and when the cut heals the lesser Master
 * may yield to the first advertisement without a word of its own, so that the better one never
 * knows.
 *
 * A node that resigns goes on as a backup. If it has the higher priority and preempts, it is back
 * after one Active_Down_Interval: whoever wants it to stay away forbids preemption first.
 *
 * The caller sends VRRP_EVENT_TIMER at vrrp_deadline_us(). It must have read everything that has
 * arrived before: after a stall the Master's advertisements wait in the socket, and a timer judged
 * first would make a second Master.
 */
#ifndef TANDEM_CORE_VRRP_H
#define TANDEM_CORE_VRRP_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/vrrp_packet.h"

#define VRRP_EFFECTS_MAX 16
#define VRRP_PRIORITY_MIN 1
#define VRRP_PRIORITY_MAX 254
#define VRRP_ANNOUNCE_EVERY_US 10000000

enum vrrp_state {
    VRRP_INIT,   /* not started: hears and says nothing */
    VRRP_BACKUP, /* waits for the Master to fall silent */
    VRRP_MASTER, /* holds the addresses */
    VRRP_FAULT,  /* started, but unfit: neither waits nor advertises */
    VRRP_STATE_COUNT
};

/* Why this node is unfit, as bits. */
enum vrrp_fault {
    VRRP_FAULT_LINK = 1,      /* no carrier, or no device */
    VRRP_FAULT_ADDRESS = 2,   /* its own address is gone */
    VRRP_FAULT_HEALTH = 4,    /* the server is dead or hangs */
    VRRP_FAULT_NOT_READY = 8, /* alive, but not caught up: may not be chosen yet */
    VRRP_FAULT_ISOLATED = 16, /* reaches nobody who could bear witness that it is not cut off */
    VRRP_FAULT_MUTE = 32      /* its advertisements do not leave */
};

enum vrrp_event_type {
    VRRP_EVENT_START,
    VRRP_EVENT_STOP,
    VRRP_EVENT_TIMER,
    VRRP_EVENT_ADVERT,  /* accepted by vrrp_packet_check(); router, priority, interval_cs, source */
    VRRP_EVENT_FAULTS,  /* faults: all that there are now */
    VRRP_EVENT_WEIGHT,  /* weight: what is added to the configured priority */
    VRRP_EVENT_PREEMPT, /* preempt: whether it may take the role from a living Master */
    VRRP_EVENT_RESIGN,  /* give the role to whoever else is there; see below */
    VRRP_EVENT_COUNT
};

struct vrrp_event {
    enum vrrp_event_type type;
    int64_t now_us;
    unsigned router;
    uint8_t priority;
    uint16_t interval_cs;
    struct vrrp_address source;
    unsigned faults;
    int weight;
    bool preempt;
};

enum vrrp_effect_type {
    VRRP_EFFECT_TAKE,     /* add the addresses and tell the neighbours */
    VRRP_EFFECT_RELEASE,  /* remove the addresses */
    VRRP_EFFECT_SEND,     /* advertise in `router` with `priority` */
    VRRP_EFFECT_ANNOUNCE, /* tell the neighbours again: somebody else may have claimed the addresses
                           */
    VRRP_EFFECT_CHANGED   /* from, to, cause: for log and hooks */
};

/* Rows of vrrp_causes in vrrp.c. */
enum vrrp_cause {
    VRRP_CAUSE_START,
    VRRP_CAUSE_STOP,
    VRRP_CAUSE_SILENCE,
    VRRP_CAUSE_RELEASED,
    VRRP_CAUSE_BETTER,
    VRRP_CAUSE_FAULT,
    VRRP_CAUSE_FAULT_OVER,
    VRRP_CAUSE_RESIGN,
    VRRP_CAUSE_COUNT
};

struct vrrp_effect {
    enum vrrp_effect_type type;
    unsigned router;
    uint8_t priority;
    enum vrrp_state from;
    enum vrrp_state to;
    enum vrrp_cause cause;
};

struct vrrp_effects {
    unsigned n;
    struct vrrp_effect list[VRRP_EFFECTS_MAX]; /* to be carried out in this order */
};

struct vrrp_router_options {
    uint8_t version; /* 2 or 3 */
    struct vrrp_address own;
};

struct vrrp_options {
    uint8_t priority; /* VRRP_PRIORITY_MIN .. VRRP_PRIORITY_MAX; no two nodes the same */
    uint16_t interval_cs;
    bool preempt;
    uint32_t preempt_delay_ms;
    unsigned n_routers;
    struct vrrp_router_options routers[VRRP_ROUTERS_MAX];
};

struct vrrp_router {
    uint16_t master_interval_cs; /* as the Master says; version 2: as configured */
    int64_t down_at_us;          /* Active_Down_Timer; meaningful as a backup */
    bool released;               /* the Master has said goodbye since it was last heard */
};

/* Read what you like, change nothing. */
struct vrrp {
    struct vrrp_options options;
    enum vrrp_state state;
    unsigned faults;
    int weight;
    struct vrrp_router routers[VRRP_ROUTERS_MAX];
    int64_t advert_at_us;    /* Adver_Timer; meaningful as Master */
    int64_t preempt_at_us;   /* a lesser Master is borne with until then; 0: none was heard */
    int64_t announced_at_us; /* the last TAKE or ANNOUNCE */
    uint8_t master_priority;
    struct vrrp_address master; /* last heard, in any router; all zero: none */
};

void vrrp_init(struct vrrp *v, const struct vrrp_options *options);
/* ret_effects is begun anew. */
void vrrp_step(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *ret_effects);

/* When VRRP_EVENT_TIMER is due; 0: never. */
int64_t vrrp_deadline_us(const struct vrrp *v);
/* Configured priority and weight, within VRRP_PRIORITY_MIN and _MAX (the rest is reserved). */
uint8_t vrrp_priority(const struct vrrp *v);
/* Active_Down_Interval of a router: how long after the Master's last word it is given up. */
int64_t vrrp_down_interval_us(const struct vrrp *v, unsigned router);

const char *vrrp_state_text(enum vrrp_state state);
const char *vrrp_cause_text(enum vrrp_cause cause);

#endif
