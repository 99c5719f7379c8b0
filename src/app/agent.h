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

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "arbiter/raft_node.h"
#include "core/core.h"
#include "io/mysql/mysql.h"
#include "io/net/net.h"
#include "io/peer/peer.h"
#include "io/store/rewind_job.h"
#include "io/store/state_file.h"
#include "io/sys/process.h"
#include "util/log.h"
#include "wire/config.h"

#define AGENT_WIRE_MAX 32768

struct agent_clone;
struct agent_pair;
struct agent_remote;
struct agent_surface;
struct agent_web;

/* agent_quorum.c */
struct agent_quorum {
    char dir[PATH_TEXT_MAX + 8]; /* the raft directory; "" until it is known */
    uint32_t generation;
    uint64_t rebuilt_term;
    bool joins;        /* its log has not come yet */
    bool fresh;        /* the core has not yet done what a rebuilt quorum needs */
    bool leaving;      /* the agent ends, to begin with another directory */
    uint32_t members;  /* as the arbiter says */
    uint32_t may_join; /* no members, or none when they were connected */
    uv_timer_t quit;
};

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
    struct job_result result;
    /* agent_cut.c: the last cut, until the node is attached after the start behind it. */
    bool cut;
    bool cut_agrees; /* ... and recovery is known to have said nothing against it */
    struct pending_cut pending;
    bool unproven;  /* the record said so of this node when it was last looked at */
    bool attaching; /* the ATTACH that waits for that */
    uint64_t attach_id;
    int64_t attach_until_us; /* nobody waits for it any more then */
    struct job attach;
};

/* The look at this host that is under way, or was the last. */
struct agent_host {
    uv_timer_t timer;
    uv_work_t work;
    bool busy;
    struct host_facts facts; /* the thread's while busy */
    unsigned wanted;         /* bits of enum privilege */
    unsigned got;
};

/* The file that keeps core/release.h's note, and the newest note. */
struct agent_release {
    struct state_save save;
    struct release_note note;
    bool due; /* not written yet */
    int64_t not_before_us;
};

struct agent {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    uv_signal_t sighup;
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
    struct raft_node *raft; /* the one or the other */
    struct agent_pair *pair;
    struct agent_remote *remote[NODES_MAX]; /* servers without an agent */
    struct mysql_adapter *mysql;
    struct process *process;
    struct agent_quorum quorum;
    struct rewind_job *store;
    uint64_t store_id;
    struct job undo;                 /* the running UNDO, while its script is being made */
    struct undo_script *undo_script; /* ... while it is carried out; owned */
    uint64_t undo_id;
    bool store_recovery;          /* the store reads the error log for a START */
    int64_t store_until_us;       /* whoever asked for the store's job waits until then */
    struct incarnation store_run; /* of mysqld, when it was asked for */
    bool store_late; /* the result in `store` came after that: it answers the same question */
    struct agent_start start;
    struct agent_release release;
    struct agent_clone *clone;     /* copies of whole data directories; NULL on a witness */
    struct agent_surface *surface; /* log sink, control socket, hooks, watchdog */
    struct agent_web *web;         /* HTTP */
    struct agent_host host;

    uint8_t *wire;    /* AGENT_WIRE_MAX bytes for encoding */
    uint64_t seal_id; /* the running SEAL; 0 = none */
    char seal_source[ADDRESS_TEXT_MAX];
    uint32_t blocked;       /* nodes kept from the server; for the same */
    int64_t lease_until_us; /* last lease given to the kernel; for the table's reinstallation */
    char arbiter_trouble[TROUBLE_TEXT_MAX];
    uint32_t other_arbiters; /* as the core was told */
    char disk_trouble[TROUBLE_TEXT_MAX];
    char certificate_trouble[TROUBLE_TEXT_MAX];
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

/* agent_cut.c: a cut is proven harmless before the node is attached, by this agent or a later one.
 */
void agent_cut_load(struct agent *a);
void agent_cut_path(const struct agent *a, char *buf, size_t size);
void agent_cut_made(struct agent *a, const struct rewind_result *r);
/* Before a start: a cut that was noted and not done any more is forgotten. */
void agent_cut_before_start(struct agent *a);
/* The server is another's copy, or the cluster's own, by now. */
void agent_cut_forget(struct agent *a);
/* After each step of the core: an operator may have said that the data is other data by now. */
void agent_cut_watch(struct agent *a);
/* The recovery has to be read: 0, and agent_cut_recovered() follows; ERR_BUSY, ERR_NOMEM. */
int agent_cut_look(struct agent *a) NODISCARD;
void agent_cut_recovered(struct agent *a, const struct rewind_result *r);
/* An ATTACH: carried out, or refused, when that is known. */
void agent_cut_attach(struct agent *a, uint64_t id, const struct job *job);

/* agent_jobs.c */
void agent_store_paths(const struct agent *a, struct rewind_request *rq);
/* Reads the error log; agent_cut_recovered() follows. ERR_BUSY, ERR_NOMEM. */
int agent_store_recovery(struct agent *a, const struct rewind_request *rq) NODISCARD;
void agent_job(struct agent *a, uint64_t id, const struct job *job);
void agent_job_done(struct agent *a, uint64_t id, const struct job_result *result);
void agent_job_failed(struct agent *a, uint64_t id, const char *why);
void agent_seal_ended(struct agent *a, uint64_t id);
void agent_undo_ended(struct agent *a, uint64_t id);
void agent_jobs_on_probe(struct agent *a, enum probe_outcome outcome);
void agent_jobs_on_death(struct agent *a);
void agent_jobs_on_time(struct agent *a);
void agent_jobs_on_process(struct agent *a, uint64_t id, const struct job_result *result);

/* agent_release.c: read before the first event; a note is written at once, and again until it is on
 * the disk */
void agent_release_open(struct agent *a);
void agent_release_keep(struct agent *a, const struct release_note *note);
void agent_release_on_time(struct agent *a);

/* agent_clone.c */
int agent_clone_open(struct agent *a, struct errmsg *m) NODISCARD;
void agent_clone_job(struct agent *a, uint64_t id, const struct job *job);
/* An ADOPT is given to the server; its end, among those of other jobs, comes to on_sql_job. */
void agent_clone_adopts(struct agent *a, uint64_t id);
void agent_clone_on_sql_job(struct agent *a, uint64_t id, const struct job_result *result);
void agent_clone_close(struct agent *a, void (*done)(void *data));
void agent_clone_free(struct agent *a); /* after the loop has ended */

/* agent_events.c */
int agent_start_adapters(struct agent *a, struct errmsg *m) NODISCARD;
/* What the cluster file says of this host's network; nc is all zero before. */
void agent_fill_net(const struct cluster_config *c, unsigned self, struct net_config *nc);

/* agent_quorum.c: whose directory it is, who joins, a quorum that is rebuilt */
void agent_quorum_init(struct agent *a);
void agent_quorum_close(struct agent *a);
int agent_quorum_open(struct agent *a, const char *dir, struct errmsg *m) NODISCARD;
void agent_quorum_applied(struct agent *a);
void agent_quorum_settled(struct agent *a); /* the core has done what a rebuilt quorum needs */
void agent_on_generation(void *data, unsigned node, uint32_t generation);
void agent_quorum_on_peer(struct agent *a, unsigned node, bool up);
void agent_quorum_members(struct agent *a, uint32_t members);
bool agent_quorum_may_speak(const struct agent *a, unsigned node);
json_t *agent_quorum_rebuild(struct agent *a, bool accepted);

/* agent_raft.c */
/* Before the other agents are spoken to. */
int agent_open_raft(struct agent *a, struct errmsg *m) NODISCARD;
int agent_start_raft(struct agent *a, struct errmsg *m) NODISCARD;
int agent_make_dir(const char *path, struct errmsg *m) NODISCARD;

/* What both arbiters tell, as events (agent_arbiter.c). */
void agent_told_elected(void *agent, uint64_t term);
void agent_told_deposed(void *agent, uint64_t term);
void agent_told_leader(void *agent, uint64_t term, unsigned node);
void agent_told_lease(void *agent, int64_t until_us);
void agent_told_doubt(void *agent, bool doubt);
void agent_told_applied(void *agent, const struct entry *e);
void agent_told_record(void *agent, const struct record *r);
void agent_told_proposal(void *agent, uint64_t id, int err);
void agent_told_transfer(struct agent *a, bool ok);
/* What the core wants of its arbiter; true if `e` was that. */
bool agent_arbiter_effect(struct agent *a, const struct effect *e);
void agent_arbiter_frame(struct agent *a, unsigned from, const uint8_t *payload, size_t len);
void agent_arbiter_peer(struct agent *a, unsigned node, bool up);
void agent_arbiter_link(struct agent *a, bool up);
void agent_arbiter_stop(struct agent *a);

/* agent_certificate.c; SIGHUP makes the transport look at its files */
void agent_on_certificate(void *data, const struct peer_certificate *c);
void agent_certificate_open(struct agent *a);
void agent_certificate_close(struct agent *a);
json_t *agent_certificate_json(const struct agent *a);

/* agent_host.c: what is reported of the host. Looks from start on; what was asked of the kernel and
 * what it gave are known then. */
void agent_host_open(struct agent *a);
void agent_host_start(struct agent *a, unsigned wanted, unsigned got);
void agent_host_close(struct agent *a);

/* agent_web.c: answers over HTTP */
int agent_web_open(struct agent *a, struct errmsg *m) NODISCARD;
/* Before it is judged. */
void agent_web_on_event(struct agent *a, const struct event *ev);
void agent_web_on_probe(struct agent *a, int64_t took_us);
void agent_web_close(struct agent *a, void (*done)(void *data)); /* counted in `closing` */
void agent_web_free(struct agent *a);                            /* after the loop has ended */

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
