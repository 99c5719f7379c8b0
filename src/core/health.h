/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health of the local server from probe outcomes and from its process. Death of the process and any
 * answer count at once; `fall`/`rise` apply to what is ambiguous only: silence and refusal of a
 * process that lives. A process that has never answered is starting, since recovery may take long;
 * but recovery does not listen: one that takes connections and answers none of them for `mute_us`
 * is hung.
 */
#ifndef TANDEM_CORE_HEALTH_H
#define TANDEM_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/report.h"
#include "wire/server.h"

struct health {
    int state;        /* enum server_health */
    uint32_t bad;     /* ambiguous failures in a row */
    uint32_t good;    /* answers in a row while not healthy */
    bool process;     /* a mysqld process is known */
    bool answered;    /* this process has answered once */
    int64_t since_us; /* of the state */
    int64_t mute_us;  /* since when it has taken connections and answered none; 0 = not so */
};

struct health_limits {
    uint32_t fall;
    uint32_t rise;
    int64_t mute_us;
};

void health_init(struct health *h);
void health_started(struct health *h, int64_t now_us);
void health_died(struct health *h, int64_t now_us);
void health_probe(struct health *h, const struct health_limits *l, enum probe_outcome outcome,
                  int64_t now_us);
/* The data directory is full or read-only (checked by the agent, not by the probe). */
void health_disk(struct health *h, bool full, int64_t now_us);

/* Commits do not end although nothing waits for an acknowledgement: a full binlog disk, a global
 * lock, a backup. Alive: it answers; whoever holds the lock is not helped by another writer. */
void health_stall(struct health *h, bool stalled, int64_t now_us);

/* It has been mute for `limit_us`: nobody is served by it. */
bool health_is_mute(const struct health *h, int64_t limit_us, int64_t now_us);

/* The server executes statements for the agent: it can be managed and may serve. */
bool health_is_good(int state);
/* The server answers its clients, whatever the agent can do with it: no reason to fail over. */
bool health_is_alive(int state);

#endif
