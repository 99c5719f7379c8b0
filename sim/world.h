/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world around real cores: one clock, a network of frames with latency and cuts, MySQL
 * servers with GTID sets, semi-sync and crash recovery, an arbiter that follows the rules of
 * elections and leases in their simplest form, and one client that writes through the VIP.
 * Deterministic: same calls, same run.
 *
 * It serves the trace tests of the core. Its arbiter is a model (one leader at a time, elected
 * after the timeout by rank among the nodes that reach a majority); the algorithm itself is tested
 * beside libraft.
 */
#ifndef TANDEM_SIM_WORLD_H
#define TANDEM_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "wire/gtid.h"

#define WORLD_ACKS_MAX 65536

struct world_ack {
    unsigned server;
    uint64_t number;
    int64_t at_us;
};

struct world;

struct world *world_new(const struct cluster_config *cfg, uint64_t seed);
void world_free(struct world *w);

void world_run_ms(struct world *w, unsigned ms);
/* Runs until the condition holds; false if it does not within the limit. */
bool world_until(struct world *w, bool (*cond)(struct world *w, void *data), void *data,
                 unsigned limit_ms);

void world_kill_server(struct world *w, unsigned node);
void world_hang_server(struct world *w, unsigned node, bool hang);
void world_term_server(struct world *w, unsigned node);
void world_kill_agent(struct world *w, unsigned node);
void world_start_agent(struct world *w, unsigned node);
void world_hang_agent(struct world *w, unsigned node, bool hang);
void world_cut(struct world *w, unsigned a, unsigned b, bool cut);
void world_cut_all(struct world *w, unsigned node, bool cut);
void world_write(struct world *w, bool on); /* the client */
void world_command(struct world *w, unsigned node, const struct command *m);

const struct core *world_core(const struct world *w, unsigned node);
unsigned
world_writer(const struct world *w); /* the node that acknowledges clients now; NODE_NONE */
unsigned world_holders(const struct world *w); /* nodes whose VIP and kernel lease are alive */
unsigned world_lost(const struct world *w, unsigned node); /* acknowledged commits missing on it */
uint64_t world_acks(const struct world *w);
int64_t world_last_ack_us(const struct world *w);
int64_t world_now_us(const struct world *w);
bool world_identical(const struct world *w); /* all live servers hold the same */
bool world_attached(const struct world *w, unsigned node, unsigned source);
bool world_split(const struct world *w); /* two servers ever acknowledged within one lease */
const char *world_last_reply(const struct world *w);
void world_dump(const struct world *w); /* the story so far, to stderr */

#endif
