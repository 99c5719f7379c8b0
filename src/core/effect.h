/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core wants done, in this order. Effects are values; the app hands each to its adapter,
 * and what comes of it returns as an event. The list is bounded; a full list is a programmer error.
 */
#ifndef TANDEM_CORE_EFFECT_H
#define TANDEM_CORE_EFFECT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/release.h"
#include "util/log.h"
#include "wire/job.h"
#include "wire/record.h"
#include "wire/report.h"

#define EFFECTS_MAX 64
#define EFFECTS_LOG_MAX 40 /* beyond it logs are dropped: the rest is for what must be done */
#define EFFECT_TEXT_MAX 384

enum effect_kind {
    EFFECT_LOG,        /* u.log */
    EFFECT_JOB,        /* u.job on the local server; EVENT_JOB with the same id follows */
    EFFECT_REQUEST,    /* u.request to node `to` (never self) */
    EFFECT_ANSWER,     /* u.answer to node `to` */
    EFFECT_REPORT,     /* u.report to every node of `mask` */
    EFFECT_COMMAND,    /* u.command to node `to` */
    EFFECT_REPLY,      /* u.reply to node `to`; to == self: to the operator */
    EFFECT_PROPOSE,    /* u.proposal; EVENT_PROPOSAL with the same id follows */
    EFFECT_BARRIER,    /* u.id likewise: everything of earlier terms is applied */
    EFFECT_TRANSFER,   /* leadership to node `to`; EVENT_TRANSFER or EVENT_DEPOSED follows */
    EFFECT_MEMBERSHIP, /* u.membership: what node `to` is made in the quorum; EVENT_CHANGE follows
                        */
    EFFECT_RANK,       /* u.rank for elections; -1: no candidate */
    EFFECT_BY_HAND,    /* an operator orders this node of a pair to lead */
    EFFECT_LEASE,      /* u.until_us: kernel lease; INT64_MAX: without end (paused) */
    EFFECT_LEASE_CLEAR,
    EFFECT_SHUT,   /* u.until_us: clients' new connections are refused until then; 0: no more */
    EFFECT_VIP_UP, /* all VIPs; also renews their kernel lifetimes */
    EFFECT_VIP_DOWN,
    EFFECT_ANNOUNCE, /* a burst of gratuitous ARP / unsolicited NA */
    EFFECT_BLOCK,    /* the nodes of `mask`, and only they, cannot reach the local server */
    EFFECT_RELEASE,  /* u.release: is kept on the disk, in place of what was */
    EFFECT_ROLE,     /* u.role: tell the notify script and the state file */
    EFFECT_QUIT,     /* everything that must be done before the agent ends is done */
    EFFECT_COUNT
};

/* States in Keepalived's words, for notify scripts. */
enum effect_role { ROLE_INIT, ROLE_MASTER, ROLE_BACKUP, ROLE_FAULT, ROLE_STOP, ROLE_COUNT };

struct effect {
    enum effect_kind kind;
    unsigned to;
    uint32_t mask;
    union {
        struct {
            enum log_level level;
            const char *id; /* a literal */
            char text[EFFECT_TEXT_MAX];
        } log;
        struct {
            uint64_t id;
            struct job job;
        } job;
        struct request request;
        struct answer answer;
        struct report report;
        struct command command;
        struct reply reply;
        struct {
            uint64_t id;
            struct entry entry;
        } proposal;
        struct {
            uint64_t id;
            int wanted; /* enum membership_wanted */
        } membership;
        uint64_t id;
        int rank;
        int64_t until_us;
        enum effect_role role;
        struct release_note release;
    } u;
};

struct effects {
    unsigned count;
    int64_t wake_us; /* call again with EVENT_TICK at this time at the latest */
    struct effect list[EFFECTS_MAX];
};

/* Appends an effect of that kind and returns it for filling in; never NULL. Payload is not cleared.
 */
struct effect *effects_add(struct effects *fx, enum effect_kind kind);

const char *effect_kind_text(enum effect_kind kind);
const char *effect_role_text(enum effect_role role);

#endif
