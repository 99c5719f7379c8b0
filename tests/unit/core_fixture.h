/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One core in the reference topology, driven by hand: events in, effects out. Node 0 (m1, priority
 * 100) and 1 (m2, 50) are candidates, 2 follows the writer, 3 and 4 follow 2; 0, 1, 2 vote. The
 * caller frees the rig. Time moves only by rig_tick().
 */
#ifndef TANDEM_TESTS_UNIT_CORE_FIXTURE_H
#define TANDEM_TESTS_UNIT_CORE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

struct rig {
    struct cluster_config cfg;
    struct core core;
    struct effects fx; /* of the last step */
    struct event ev;   /* of the next step */
    int64_t now_us;
};

/* Its server is unknown, nobody leads, no other agent is connected. */
struct rig *rig_new(unsigned self);
void rig_free(struct rig *r);

/* A cleared event of that kind, to be filled in for rig_step(). */
struct event *rig_event(struct rig *r, enum event_kind kind);
void rig_step(struct rig *r);
/* Lets time pass and steps once. */
void rig_tick(struct rig *r, int64_t ms);
/* For calling functions of core/ directly: a step without an event and without what follows. */
void rig_open_effects(struct rig *r);

/* The n-th effect of that kind in the last step, NULL if there are fewer. */
const struct effect *rig_effect(const struct rig *r, enum effect_kind kind, unsigned n);
unsigned rig_count(const struct rig *r, enum effect_kind kind);
bool rig_logged(const struct rig *r, const char *id);

/* ---- the usual events ---- */

struct incarnation rig_run_of(uint32_t pid);
/* A closed MariaDB that holds 0-1-NUMBER. */
struct server_facts rig_facts(unsigned number);
/* A mysqld with that pid is there and answers with these facts. */
void rig_server(struct rig *r, uint32_t pid, const struct server_facts *facts);
void rig_probe(struct rig *r, const struct server_facts *facts);
void rig_died(struct rig *r, bool cleanly);
void rig_peer(struct rig *r, unsigned node, bool up);
/* A report of a healthy node in the core's term with the pid 100 + node; change ev.u.report and
 * call rig_step(). */
struct report *rig_report(struct rig *r, unsigned node);
/* A job of the last leader's request, at the highest term seen; change and call rig_step(). */
struct request *rig_request(struct rig *r, unsigned from, int job_kind);
/* The job with that id ended. */
void rig_job_ended(struct rig *r, uint64_t id, int outcome);
/* An entry made for the record as it is; change and call rig_step(). */
struct entry *rig_entry(struct rig *r, int kind);
void rig_promote(struct rig *r, unsigned node, uint64_t epoch);
void rig_grow(struct rig *r, unsigned node, uint32_t pid);
/* This node leads that term, with a lease of that length, its barrier passed. */
void rig_elect(struct rig *r, uint64_t term, int64_t lease_ms);
void rig_lease(struct rig *r, int64_t ms);
/* A rig in which m1 leads as the open writer of 0-1-10, and the other agents are connected. */
struct rig *rig_leader(void);

#endif
