/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of the shadow's mind only (app/shadow_world.h). */
#ifndef TANDEM_APP_SHADOW_PRIVATE_H
#define TANDEM_APP_SHADOW_PRIVATE_H

#include "app/shadow_server.h"
#include "app/shadow_world.h"
#include "core/core.h"

#define SHADOW_SAID_MAX 128

struct shadow_event {
    struct shadow_event *next;
    unsigned to;
    struct event event;
};

/* A job that waits: for a drain, or its turn. */
struct shadow_job {
    bool used;
    uint64_t id;
    int64_t deadline_us;
    struct job job;
};

struct shadow_node {
    struct core *core; /* NULL: a witness */
    struct shadow_server server;
    uint32_t runs; /* of its mysqld, as far as they were told apart */
    int64_t wake_us;
    struct shadow_job jobs[LOCAL_RUNNING_MAX];
};

struct shadow_world {
    const struct cluster_config *cfg;
    shadow_tell_fn tell;
    void *data;
    int64_t now_us;
    int64_t wall_ms;
    struct shadow_node nodes[NODES_MAX];
    struct effects *fx;
    struct shadow_event *first;
    struct shadow_event **last;

    /* The imagined arbiter. */
    struct record *record;
    uint64_t term;
    unsigned leader;
    int64_t lease_us; /* told last */
    bool quiet;       /* the assumed beginning is nothing that would be done */

    /* What is real. */
    enum shadow_state state;
    unsigned writer;
    unsigned holder; /* answers at the address; NODE_NONE */
    int64_t holder_us;
    int64_t good_us;                  /* the writer answered last, itself and at the address */
    char master[2][ADDRESS_TEXT_MAX]; /* by VRRP over IPv4 and IPv6, as heard here; "": nobody */
    bool lost;
    bool left_known;
    struct server_facts left; /* of the writer, when it was seen last */

    /* What the cores chose since the writer was lost. */
    unsigned choice;
    int64_t choice_us; /* after the last answer */

    unsigned n_said;
    uint64_t said[SHADOW_SAID_MAX]; /* digests of what needs no repetition until the next loss */
    uint16_t told_rule;
    uint32_t told_in_sync;
};

/* shadow_world.c */
void shadow_post(struct shadow_world *w, unsigned to, const struct event *ev);
void shadow_run(struct shadow_world *w);
/* Begins anew: this node is the writer, those of the mask are in sync. */
void shadow_anchor(struct shadow_world *w, unsigned writer, uint32_t in_sync);
void shadow_propose(struct shadow_world *w, const struct entry *e);

/* shadow_tell.c */
const char *shadow_name(const struct shadow_world *w, unsigned node);
void shadow_say(struct shadow_world *w, struct shadow_told *t, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The rule behind what the leader does now. */
void shadow_because(const struct shadow_world *w, unsigned node, const struct job *job,
                    struct shadow_told *t);
void shadow_tell_job(struct shadow_world *w, unsigned node, const struct job *job);
void shadow_tell_transfer(struct shadow_world *w, unsigned from, unsigned to);
void shadow_tell_promotion(struct shadow_world *w, unsigned node);
void shadow_tell_open(struct shadow_world *w, unsigned node);
void shadow_tell_rule(struct shadow_world *w);
void shadow_tell_in_sync(struct shadow_world *w);
void shadow_tell_writer(struct shadow_world *w);

#endif
