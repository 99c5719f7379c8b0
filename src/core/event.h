/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can happen to one node's core. An event is a value: it carries the time and everything that
 * is needed to judge it; the core keeps no pointer into it after core_step() returns.
 */
#ifndef TANDEM_CORE_EVENT_H
#define TANDEM_CORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/job.h"
#include "wire/record.h"
#include "wire/report.h"
#include "wire/server.h"

enum event_kind {
    EVENT_TICK,           /* time passed */
    EVENT_STALL,          /* the loop stood still for `u.stall_us` */
    EVENT_PROBE,          /* u.probe: one probe of the local server ended */
    EVENT_SERVER_STARTED, /* u.server: a mysqld process is there */
    EVENT_SERVER_DIED,    /* u.server: it is gone */
    EVENT_START_FAILED,   /* u.start: a start ended by itself before its server had answered */
    EVENT_JOB,            /* u.job: a job of EFFECT_JOB ended */
    EVENT_REQUEST,        /* u.request: a leader wants something done here */
    EVENT_ANSWER,         /* u.answer: a node answered a request of ours */
    EVENT_REPORT,         /* u.report */
    EVENT_PEER,           /* u.peer: connection to a node came up or went down */
    EVENT_COMMAND,        /* u.command: an operator's command, here or passed on */
    EVENT_REPLY,          /* u.reply: the leader's reply to a command that was passed on */
    EVENT_ELECTED,        /* u.term: this node leads */
    EVENT_DEPOSED,        /* u.term: it does not lead any more */
    EVENT_LEADER,         /* u.leader: who leads, NODE_NONE if unknown */
    EVENT_LEASE,          /* u.lease_until_us; 0 = none */
    EVENT_DOUBT,          /* u.doubt: the record may say too much of this node's membership */
    EVENT_APPLIED,        /* u.entry: committed */
    EVENT_RESTORED,       /* u.record: a snapshot replaced the record */
    EVENT_PROPOSAL,       /* u.proposal: outcome of EFFECT_PROPOSE or EFFECT_BARRIER */
    EVENT_TRANSFER,       /* u.transfer_ok: the target leads, or provably dropped it */
    EVENT_MEMBERS,        /* u.members: who belongs to the quorum */
    EVENT_CHANGE,         /* u.change: outcome of EFFECT_MEMBERSHIP */
    EVENT_VIP,            /* u.vip: a VIP appeared or vanished on this host */
    EVENT_LINK,           /* u.link_up: state of the VIPs' devices */
    EVENT_CLONE,          /* u.clone: how far the copying of this node's data is */
    EVENT_HOST,           /* u.host: what the agent sees of its host; reported, never judged here */
    EVENT_ARBITERS,       /* u.other_arbiters: whose agents have another arbiter, as they say */
    EVENT_TROUBLE,        /* u.trouble: a named state of an adapter; "" = over */
    EVENT_QUIT,           /* the agent was asked to stop */
    EVENT_COUNT
};

struct event_probe {
    enum probe_outcome outcome;
    uint32_t sql_errno;
    bool have_facts;
    bool disk_full; /* the data directory is full or read-only */
    struct server_facts facts;
};

struct event_job {
    uint64_t id;
    bool have_facts;
    struct job_result result;
    struct server_facts facts;
};

struct event {
    enum event_kind kind;
    int64_t now_us;  /* CLOCK_BOOTTIME */
    int64_t wall_ms; /* UTC, for people only */
    unsigned from;   /* REQUEST, ANSWER, REPORT, PEER, COMMAND, REPLY: the node */
    union {
        int64_t stall_us;
        struct event_probe probe;
        struct {
            struct incarnation incarnation;
            bool cleanly;
        } server;
        struct starts start; /* but for `failed`, which is the core's */
        struct event_job job;
        struct request request;
        struct answer answer;
        struct report report;
        bool peer_up;
        struct command command;
        struct reply reply;
        uint64_t term;
        struct {
            uint64_t term;
            unsigned node;
        } leader;
        struct clone_report clone;
        int64_t lease_until_us;
        bool doubt;
        struct entry entry;
        struct record record;
        struct {
            uint64_t id;
            int err; /* 0; ERR_STATE = never proposed; any other = outcome unknown */
        } proposal;
        bool transfer_ok;
        struct {
            uint32_t voters;
            uint32_t members; /* who receives the log, voters included */
        } members;
        struct {
            uint64_t id;
            int err; /* of raft_node_change(); ERR_EXISTS: it has no log, and is a member */
        } change;
        struct {
            unsigned index;
            bool present;
        } vip;
        bool link_up;
        struct host_facts host;
        uint32_t other_arbiters;
        char trouble[TROUBLE_TEXT_MAX];
    } u;
};

const char *event_kind_text(enum event_kind kind);

#endif
