/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: one thread, one loop, one core. Wires adapters to the core and nothing else: what an
 * adapter reports becomes an event, what the core wants becomes a call; no decision is made here.
 *
 *   adapters --callback--> agent_events.c --agent_post()--> core_step() --> agent_effects.c -->
 * adapters
 *
 * An event that arrives while another is judged (an adapter may call back from within a call) waits
 * its turn.
 */
#ifndef TANDEM_APP_AGENT_H
#define TANDEM_APP_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "arbiter/raft_node.h"
#include "core/core.h"
#include "io/mysql/mysql.h"
#include "io/net/net.h"
#include "io/peer/peer.h"
#include "io/store/rewind_job.h"
#include "io/sys/process.h"
#include "util/log.h"
#include "wire/config.h"

#define AGENT_WIRE_MAX 32768

struct agent_surface;

/* An event in the queue. */
struct agent_event {
    struct agent_event *next;
    struct event event;
};

/* A START waits until the server answers, so that its recovery can be judged. */
struct agent_start {
    bool waiting;
    uint64_t id;
    int64_t deadline_us;
    uint64_t error_log_offset;
    struct job_result result;
    /* The last cut, until the start after it has been judged. */
    bool cut;
    bool cut_tried; /* a start was made after it */
    enum gtid_flavour flavour;
    uint32_t expected_rollbacks;
    char cut_file[REWIND_JOB_PATH_MAX];
    uint64_t cut_at;
};

struct agent {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    struct log log;
    const struct cluster_config *cfg;
    const struct config_node *node;
    unsigned self;

    struct core *core;
    struct effects *effects;
    struct record *applied; /* what raft has applied; the core may be some events behind */
    bool stepping;
    struct agent_event *first;
    struct agent_event **last;

    struct net *net;
    struct peer *peer;
    struct raft_node *raft;
    struct mysql_adapter *mysql;
    struct process *process;
    struct rewind_job *store;
    uint64_t store_id;
    struct job undo;                 /* the running UNDO, while its script is being made */
    struct undo_script *undo_script; /* ... while it is carried out; owned */
    uint64_t undo_id;
    bool store_recovery; /* the store reads the error log for a START */
    struct agent_start start;
    struct agent_surface *surface; /* log sink, control socket, hooks, watchdog */

    uint8_t *wire;    /* AGENT_WIRE_MAX bytes for encoding */
    uint64_t seal_id; /* the running SEAL; 0 = none */
    char seal_source[ADDRESS_TEXT_MAX];
    uint32_t blocked;       /* nodes kept from the server; for the same */
    int64_t lease_until_us; /* last lease given to the kernel; for the table's reinstallation */
    char raft_trouble[TROUBLE_TEXT_MAX];
    char disk_trouble[TROUBLE_TEXT_MAX];
    bool disk_full;
    unsigned closing; /* adapters that have not said goodbye yet */
    bool stopping;
};

/* Runs until it is asked to stop. Returns the exit status. */
int agent_main(const struct cluster_config *cfg, unsigned self);

/* ---- for the files of the agent only ---- */

int64_t agent_now_us(void);
/* A fresh event of that kind with the present time; hand it to agent_post(), which frees it. */
struct agent_event *agent_event(struct agent *a, enum event_kind kind);
void agent_post(struct agent *a, struct agent_event *e);
/* Ends the loop in order: adapters first, addresses and tables last. */
void agent_stop(struct agent *a);
void agent_told_trouble(struct agent *a);

/* agent_effects.c */
void agent_carry_out(struct agent *a, const struct effects *fx);
void agent_block(struct agent *a, uint32_t mask);

/* agent_jobs.c */
void agent_job(struct agent *a, uint64_t id, const struct job *job);
void agent_job_failed(struct agent *a, uint64_t id, const char *why);
void agent_seal_ended(struct agent *a, uint64_t id);
void agent_undo_ended(struct agent *a, uint64_t id);
void agent_jobs_on_probe(struct agent *a, enum probe_outcome outcome);
void agent_jobs_on_death(struct agent *a);
void agent_jobs_on_time(struct agent *a);
void agent_jobs_on_process(struct agent *a, uint64_t id, const struct job_result *result);

/* agent_events.c */
int agent_start_adapters(struct agent *a, struct errmsg *m) NODISCARD;

/* agent_raft.c */
int agent_start_raft(struct agent *a, struct errmsg *m) NODISCARD;

/* agent_surface.c: what operators and the system see */
int agent_surface_open(struct agent *a, struct errmsg *m) NODISCARD;
void agent_surface_ready(struct agent *a);
void agent_surface_reply(struct agent *a, const struct reply *r);
void agent_surface_role(struct agent *a, enum effect_role role);
/* Before an event is judged: a standstill of the loop that nobody told yet comes first. */
void agent_surface_look(struct agent *a);
void agent_surface_close(struct agent *a);
void agent_surface_free(struct agent *a); /* after the loop has ended */

#endif
