/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two nodes of the vrrp arbiter with everything around them in memory: advertisements, the agents'
 * connection, an arbitration address, disks. Time passes in pair_run_world() only.
 */
#ifndef TANDEM_TESTS_UNIT_PAIR_FIXTURE_H
#define TANDEM_TESTS_UNIT_PAIR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arbiter/pair_node.h"

#define MS 1000
#define NODES 2
#define FRAMES_MAX 64

struct frame {
    bool used;
    unsigned to;
    int64_t at_us;
    bool is_advert;
    uint8_t priority;
    struct pair_message *message;
};

struct world;

struct host {
    struct world *w;
    unsigned self;
    struct pair_node *node;
    struct pair_state disk;
    bool disk_fails;
    bool disk_waits;                  /* for pair_end_write() */
    const struct pair_state *written; /* NULL: nothing is being written */
    bool off;
    bool serves; /* its server greets */
    bool arbitration;
    bool mute; /* its advertisements do not leave */
    bool doubt;
    char trouble[DETAIL_TEXT_MAX];
    int64_t lease_us;
    bool leads;
    bool speaks; /* has advertised as Master since it fell silent */
    unsigned silences;
    uint64_t term;
    unsigned leader;
    unsigned restores;
    struct record record; /* as told */
    uint64_t done_id;
    int done_err;
    unsigned done;
};

struct world {
    int64_t now_us;
    struct cluster_config cluster;
    struct host host[NODES];
    bool connected;
    bool adverts;
    struct frame frames[FRAMES_MAX];
};

/* m1 of priority 100 and m2 of 50, an advertisement each second, D of ten. */
void pair_make_cluster(struct cluster_config *c);
/* Two new nodes, not connected. arbitration: "" = none. */
struct world *pair_make(const char *arbitration);
/* m1 leads, was promoted, m2 is in its set and both disks say so. */
struct world *pair_make_formed(const char *arbitration);
/* As that, but m1 has no power, and m2 writes the term in which it will lead: its disk waits. */
struct world *pair_make_electing(void);
void pair_destroy(struct world *w);
void pair_connect_agents(struct world *w, bool up);
void pair_power_off(struct world *w, unsigned i);
void pair_start(struct world *w, unsigned i);
void pair_run_world(struct world *w, int64_t ms);
/* Runs, and fails as soon as both hold a lease. */
void pair_run_safely(struct world *w, int64_t ms);
bool pair_both_hold(const struct world *w);
/* m1 has no power, and m2 reaches nobody for longer than D: it does not lead afterwards. */
void pair_check_window_is_over(struct world *w);
void pair_drop_frames(struct world *w);
struct entry pair_promote(const struct host *h);
struct entry pair_grow(const struct host *h, unsigned node);
struct entry pair_shrink(const struct host *h, unsigned node);
/* Of a disk that waits. err: nothing was written. */
void pair_end_write(struct host *h, int err);
void pair_propose(struct host *h, struct entry e, uint64_t id);

#endif
