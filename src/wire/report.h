/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent tells the others about itself and its server, unasked, at every heartbeat and at
 * once when something changes; and the operator's commands, which any agent passes on to the
 * leader.
 */
#ifndef TANDEM_WIRE_REPORT_H
#define TANDEM_WIRE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/codec.h"
#include "wire/clone.h"
#include "wire/host.h"
#include "wire/limits.h"
#include "wire/server.h"
#include "wire/starts.h"

#define AGENT_VERSION_MAX 24
#define REPLY_TEXT_MAX 1024
#define TROUBLE_TEXT_MAX 160
#define REASON_TEXT_MAX 96

/* A server's health as its own agent judges it (hysteresis applied). */
enum server_health {
    HEALTH_UNKNOWN, /* not probed yet */
    HEALTH_OK,
    HEALTH_DEAD,     /* no process */
    HEALTH_STARTING, /* a process that has never answered yet */
    HEALTH_REFUSED,  /* a process that does not listen (any more): on its way down */
    HEALTH_HUNG,     /* accepts, does not answer */
    HEALTH_FULL,     /* answers, has no connection left: alive */
    HEALTH_DENIED,   /* answers, does not let the agent in: alive, cannot be managed */
    HEALTH_STALLED,  /* answers, but commits do not end */
    HEALTH_DISK,     /* its file system is full or read-only */
    HEALTH_COUNT
};

/* For what its own agent would offer this node, ascending. */
enum eligibility {
    ELIGIBLE_NONE,
    ELIGIBLE_RESTART, /* last writer, its server is down and can be started in place */
    ELIGIBLE_FORCED,  /* named by an operator who accepted loss */
    ELIGIBLE_FIRST,   /* no writer was ever promoted */
    ELIGIBLE_MEMBER,  /* in the in-sync set with this incarnation, healthy */
    ELIGIBLE_WRITER,  /* last writer, healthy */
    ELIGIBILITY_COUNT
};

/* The verdict of one rule table: which rule fired over which facts. */
struct verdict {
    uint16_t rule;
    uint32_t facts;
};

/* The tables, in the order of report.verdict[]. */
enum verdict_table { VERDICT_LEAD, VERDICT_WRITER, VERDICT_FENCE, VERDICT_COUNT };

struct report {
    uint64_t seq;
    uint64_t term;    /* highest seen */
    uint8_t leader;   /* whom it follows; NODE_NONE */
    uint64_t epoch;   /* of its record */
    uint64_t version; /* of its record */
    uint64_t config_digest;
    char agent_version[AGENT_VERSION_MAX];
    int health;   /* enum server_health */
    int eligible; /* enum eligibility */
    char ineligible_why[REASON_TEXT_MAX];
    struct incarnation incarnation;
    bool ended_cleanly; /* the dead server was shut down, not killed */
    bool settled; /* it leads and everything of earlier terms is applied: its record is the truth */
    bool open;    /* its core has opened its server in `term` */
    uint32_t lease_ms; /* left; 0 = none */
    bool endless;      /* its kernel's lease may have no end (paused, or an earlier agent was) */
    uint32_t vips;     /* bit per VIP that this host holds */
    bool link_up;
    uint32_t reaches;               /* bit per node whose agent it is in touch with */
    char phase[32];                 /* what the node's core is doing */
    char trouble[TROUBLE_TEXT_MAX]; /* "" or the most important thing that is wrong here */
    struct verdict verdict[VERDICT_COUNT];
    struct server_facts facts;
    struct clone_report clone;
    uint32_t facts_age_ms;   /* since the server told them; UINT32_MAX: it never did. 0 of an older
                                agent */
    struct host_facts host;  /* known = false of an older agent */
    int64_t wall_ms;         /* its clock, UTC, for people; 0 of an older agent */
    struct starts starts;    /* none failed, of an older agent */
    uint32_t other_arbiters; /* bit per node whose agent it heard just now with another arbiter;
                                none, of an older agent */
};

enum command_kind {
    COMMAND_SWITCHOVER, /* node */
    COMMAND_FAILOVER,   /* node, flag = data loss accepted */
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_MAINTENANCE, /* node, flag */
    COMMAND_NO_PROMOTE,  /* node, flag */
    COMMAND_REPLACE,  /* node: FAILOVER, loss accepted, and the writer's host is known to be off */
    COMMAND_NODE_ADD, /* node: what the cluster file says of it, it is made in the quorum */
    COMMAND_NODE_REMOVE,   /* node: out of the quorum */
    COMMAND_RECLONE,       /* node, donor; flag = end it */
    COMMAND_JOIN,          /* node, donor */
    COMMAND_REJOIN,        /* node, flag = what it holds alone may go */
    COMMAND_DATA_REPLACED, /* node: MAINTENANCE off, and its data is other data than was judged */
    COMMAND_COUNT
};

struct command {
    uint64_t id;    /* unique per origin */
    uint8_t origin; /* node whose agent the operator spoke to */
    int kind;
    uint8_t node; /* NODE_NONE: let the leader choose */
    bool flag;
    uint8_t donor; /* 1 + the node that is to give its data; 0: let the leader choose */
};

struct reply {
    uint64_t id;
    uint8_t origin;
    bool ok;
    char text[REPLY_TEXT_MAX];
};

/* Decoding checks every node number; ERR_FORMAT. */
void report_codec(struct codec *c, struct report *r);
void command_codec(struct codec *c, struct command *m);
void reply_codec(struct codec *c, struct reply *r);

const char *server_health_text(int health);
const char *eligibility_text(int eligible);
const char *command_kind_text(int kind);

#endif
