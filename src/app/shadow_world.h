/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow's mind: a core for every node with a server, over what was really observed of them,
 * with an imagined arbiter between them. It tells what the cores would have done, and what really
 * happened beside it. It cannot do anything: this module calls no adapter, and there is one place,
 * the sink in shadow_world.c, where every effect of every core ends as a sentence or as an
 * assumption (app/shadow_server.h).
 *
 *   looking   no writer is known: nobody answers at the address, or who does is read-only
 *   watching  the cores run. Their record says what reality says: the writer is who answers at the
 *             address; a candidate is in sync when it follows the writer, is near, and its
 *             semi-sync really acknowledges. The writer is lost, and they decide
 *   decided   one of them would have been writable. The cores rest, since reality has taken another
 *             way; when a writer has settled, it is compared with what they chose, and they begin
 *             anew with it
 *
 * From afar a killed mysqld, one that was shut down and one that was never there look alike: nobody
 * listens. It counts as killed; an agent on that host would start one that was shut down first. A
 * lost host looks like a hung server; an agent's host is judged by the other agents, about as fast.
 *
 * Allocates (cores of 1 MiB each, events in flight), reads no clock, does no I/O.
 */
#ifndef TANDEM_APP_SHADOW_WORLD_H
#define TANDEM_APP_SHADOW_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/config.h"
#include "wire/server.h"

#define SHADOW_TEXT_MAX 512

/* One sentence about what would have been done, or what was. */
struct shadow_told {
    enum log_level level;
    const char *id;    /* of docs/log-events.md */
    unsigned node;     /* whom it is about, or NODE_NONE */
    const char *table; /* rule behind it; NULL: none, it is an observation */
    uint16_t rule;
    bool lost; /* the writer is lost: after_us counts from its last answer */
    int64_t after_us;
    char text[SHADOW_TEXT_MAX];
    char why[DETAIL_TEXT_MAX]; /* of the rule */
};

struct shadow_seen {
    enum probe_outcome outcome;
    const struct server_facts *facts; /* with PROBE_OK; may be NULL */
};

enum shadow_state { SHADOW_LOOKING, SHADOW_WATCHING, SHADOW_DECIDED };

typedef void (*shadow_tell_fn)(void *data, const struct shadow_told *told);

struct shadow_world;

/* Over IPv6 a host advertises from a link-local address, which no cluster file has. */
struct shadow_advert {
    bool ipv6;
    unsigned node; /* whose address it is; NODE_NONE */
    char source[ADDRESS_TEXT_MAX];
    uint8_t priority; /* 0: it gives up */
};

/* Copied: nothing; cfg and data must outlive it. NULL: out of memory. */
struct shadow_world *shadow_world_open(const struct cluster_config *cfg, shadow_tell_fn tell,
                                       void *data);
void shadow_world_close(struct shadow_world *w); /* may be NULL */

/* Before each of the next: the present time, CLOCK_BOOTTIME and UTC. */
void shadow_world_time(struct shadow_world *w, int64_t now_us, int64_t wall_ms);
/* What a probe of that node's server saw. */
void shadow_world_probe(struct shadow_world *w, unsigned node, const struct shadow_seen *seen);
/* Who answers at the virtual address: its @@server_id; 0: nobody. */
void shadow_world_address(struct shadow_world *w, uint32_t server_id);
/* An advertisement for a virtual address was heard. */
void shadow_world_vrrp(struct shadow_world *w, const struct shadow_advert *a);
/* Every few milliseconds: what the cores say to each other takes one of them. */
void shadow_world_tick(struct shadow_world *w);

/* The writer that is watched, or was last; NODE_NONE: none was seen yet. */
unsigned shadow_world_writer(const struct shadow_world *w);
enum shadow_state shadow_world_state(const struct shadow_world *w);
/* Bit per node: in sync, as it is assumed. */
uint32_t shadow_world_in_sync(const struct shadow_world *w);

#endif
